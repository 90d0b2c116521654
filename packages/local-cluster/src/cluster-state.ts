import { renameSync, writeFileSync } from 'node:fs'

/** A process of a region. `sidecar` is the first sidecar, `sidecar-2` the second. */
export type ProcessName = 'dataRedis' | 'indexRedis' | 'sentinel' | 'sidecar' | `sidecar-${number}`

export interface SidecarState {
  readonly grpc: string
  readonly http: string
  /** Null while it doesn't run. */
  readonly pid: number | null
}

export interface RegionState {
  readonly name: string
  /** `host:port`, like all that follow. The DNS server answers as this region sees the cluster. */
  readonly dns: string
  /** The first sidecar's. */
  readonly grpc: string
  readonly http: string
  /** The public address, a relay's. */
  readonly dataRedis: string
  readonly indexRedis: string
  readonly sentinel?: string
  /** Null for one that doesn't run. */
  readonly pids: Readonly<Partial<Record<ProcessName, number | null>>>
  readonly sidecars: readonly SidecarState[]
}

/** What the state file holds. */
export interface ClusterState {
  readonly domain: string
  readonly primary: string
  /** Base URL of the control port. */
  readonly control: string
  readonly regions: readonly RegionState[]
  /** The file, mode 0600, that has the passwords of the users of data Redis and Sentinels. */
  readonly credentials: string
  /** Paths of PEM files by which to call the sidecars, where they speak TLS. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string }
}

/** Replaces the file in one step: readers see the old state or the new, never a part. */
export function writeStateFile(path: string, state: ClusterState): void {
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`)
  renameSync(temporary, path)
}
