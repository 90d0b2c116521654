import { readFile } from 'node:fs/promises'
import { Failure } from './failure.ts'

/** A region of a cluster that `perigee dev` runs. */
interface LocalRegion {
  readonly name: string
  /** The region's own view of DNS, host:port. */
  readonly dns: string
  /** Its first sidecar's gRPC address. */
  readonly grpc: string
}

/** What the command needs to know of a cluster that `perigee dev` runs. */
export interface LocalState {
  readonly domain: string
  readonly primary: string
  readonly regions: readonly LocalRegion[]
  /** Paths of PEM files, where the sidecars speak TLS. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string }
}

/** Reads the state file that `perigee dev --state FILE` writes. */
export async function readLocalState(path: string): Promise<LocalState> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'there is no such file' : (cause.code ?? cause.message)
    throw Failure.usage(
      `cannot read the state file ${path}: ${why}`,
      '`perigee dev` prints where its state file is',
    )
  })
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    parsed = undefined
  }
  if (isLocalState(parsed)) return parsed
  throw Failure.usage(
    `${path} is not a state file of perigee dev`,
    '`perigee dev` prints where its state file is',
  )
}

/** Asks a `perigee dev` on this machine for its state; `undefined` when none answers at once. */
export async function askLocalState(controlUrl: string): Promise<LocalState | undefined> {
  try {
    const answer = await fetch(`${controlUrl}/state`, { signal: AbortSignal.timeout(500) })
    const state: unknown = await answer.json()
    return isLocalState(state) ? state : undefined
  } catch {
    return undefined
  }
}

function isLocalState(value: unknown): value is LocalState {
  const state = value as Partial<LocalState> | null | undefined
  return (
    typeof state?.domain === 'string' &&
    typeof state.primary === 'string' &&
    Array.isArray(state.regions) &&
    state.regions.length > 0 &&
    state.regions.every((r) => [r?.name, r?.dns, r?.grpc].every((text) => typeof text === 'string'))
  )
}
