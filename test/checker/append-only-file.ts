import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Claim, StoredWrite } from './history.ts'

/** What a data Redis wrote down of its own life. */
export interface StoreLife {
  readonly writes: readonly StoredWrite[]
  readonly claims: readonly Claim[]
}

const ROOT = 'pg:{0}:'
const FOLDER = 'appendonlydir'
const MANIFEST = 'appendonly.aof.manifest'
/** Of an entry's header: format, epoch, seq, written-at, expires-at, bytes of the content type. */
const HEADER_BYTES = 34

/**
 * Reads the append-only files of a data Redis: every write that it has done, in order, with position and value. They are
 * what Redis did, not what anybody says that it did.
 *
 * @param dir the folder of the Redis.
 * @param source what to call it.
 */
export function readStoreLife(dir: string, source: string, namespace: string): StoreLife {
  const writes: StoredWrite[] = []
  const claims: Claim[] = []
  const prefixes = { entry: `${ROOT}kv:${namespace}:`, chunk: `${ROOT}chunk:` }
  let fork: string | undefined
  for (const file of incrementalFiles(dir)) {
    for (const args of commandsOf(readFileSync(file))) {
      const [command, key, ...rest] = args
      const name = String(key)
      switch (String(command).toUpperCase()) {
        case 'SET':
          if (name.startsWith(prefixes.entry))
            writes.push({ ...entryOf(rest[0]), item: `entry:${name.slice(prefixes.entry.length)}`, source })
          break
        case 'HSET':
          if (name === `${ROOT}forks`) fork = `${rest[0]}-${rest[1]}`
          else if (name.startsWith(prefixes.chunk)) writes.push({ ...chunkOf(name, rest), source })
          break
        case 'XADD': {
          const epoch = name === `${ROOT}log` ? claimedBy(rest) : undefined
          if (epoch !== undefined) {
            claims.push({ epoch, from: fork, source })
            fork = undefined
          }
        }
      }
    }
  }
  return { writes, claims }
}

function incrementalFiles(dir: string): string[] {
  let manifest: string
  try {
    manifest = readFileSync(join(dir, FOLDER, MANIFEST), 'utf8')
  } catch {
    return []
  }
  const lines = manifest.split('\n').filter((line) => / type i\b/.test(line))
  return lines.map((line) => join(dir, FOLDER, line.split(' ')[1] ?? ''))
}

/** The commands of an append-only file; one that was cut short in the middle of a command ends before that. */
function* commandsOf(file: Buffer): Generator<Buffer[]> {
  let at = 0
  const line = (): string | undefined => {
    const end = file.indexOf('\r\n', at)
    if (end < 0) return undefined
    const text = file.toString('latin1', at, end)
    at = end + 2
    return text
  }
  while (at < file.length) {
    const head = line()
    if (head === undefined) return
    if (head.startsWith('#')) continue
    const args: Buffer[] = []
    for (let left = Number(head.slice(1)); left > 0; left--) {
      const length = Number(line()?.slice(1) ?? Number.NaN)
      if (Number.isNaN(length) || at + length + 2 > file.length) return
      args.push(file.subarray(at, at + length))
      at += length + 2
    }
    yield args
  }
}

function entryOf(stored: Buffer | undefined): { at: string; value: string } {
  if (!stored || stored.length < HEADER_BYTES)
    throw new Error('an entry in the append-only file has no header')
  const at = `${stored.readBigUInt64BE(1)}-${stored.readBigUInt64BE(9)}`
  return { at, value: jsonText(stored.subarray(HEADER_BYTES + stored.readUInt8(HEADER_BYTES - 1))) }
}

/** An entry's value as the client's codec, JSON, wrote it. */
function jsonText(bytes: Buffer): string {
  return String(JSON.parse(bytes.toString()))
}

function chunkOf(key: string, fields: readonly Buffer[]): Omit<StoredWrite, 'source'> {
  const values = new Map<string, string>()
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = String(fields[i])
    if (name === 'text' || name === 'position') values.set(name, String(fields[i + 1]))
  }
  const item = `chunk:${key.slice(key.lastIndexOf(':') + 1)}`
  return { item, at: values.get('position') ?? '', value: values.get('text') ?? '' }
}

/** The epoch that an entry of the change log says was claimed. */
function claimedBy(args: readonly Buffer[]): number | undefined {
  const operation = args.findIndex((arg) => String(arg) === 'op')
  if (operation < 1 || String(args[operation + 1]) !== 'claim') return undefined
  return Number(String(args[operation - 1]).split('-')[0])
}
