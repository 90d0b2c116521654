import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
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
const ARRAY = '*'.charCodeAt(0)
const COMMENT = '#'.charCodeAt(0)

/** How far a file has been read. */
interface Progress {
  readonly inode: number
  readonly offset: number
}

/**
 * Reads the append-only files of a data Redis while they grow: every write that it has done, in order, with position and
 * value. They are what Redis did, not what anybody says that it did.
 *
 * Files come and go: a Redis that copies another one whole begins anew, and a fault may cut or replace what is there. What
 * was read before stays told.
 */
export class AppendOnlyFile {
  readonly #dir: string
  readonly #source: string
  readonly #entries: string
  readonly #progress = new Map<string, Progress>()
  #fork: string | undefined

  /**
   * @param options.dir the folder of the Redis.
   * @param options.source what to call it.
   */
  constructor(options: { dir: string; source: string; namespace: string }) {
    this.#dir = join(options.dir, FOLDER)
    this.#source = options.source
    this.#entries = `${ROOT}kv:${options.namespace}:`
  }

  /** What was written since it was read the last time. */
  news(): StoreLife {
    const life = { writes: [] as StoredWrite[], claims: [] as Claim[] }
    for (const file of this.#files()) {
      for (const command of this.#newCommands(file)) this.#take(command, life)
    }
    return life
  }

  #files(): string[] {
    let manifest: string
    try {
      manifest = readFileSync(join(this.#dir, MANIFEST), 'utf8')
    } catch {
      return []
    }
    const lines = manifest.split('\n').filter((line) => / type i\b/.test(line))
    return lines.map((line) => join(this.#dir, line.split(' ')[1] ?? ''))
  }

  #newCommands(path: string): Buffer[][] {
    let file: number
    try {
      file = openSync(path, 'r')
    } catch {
      return []
    }
    try {
      const { ino: inode, size } = fstatSync(file)
      const before = this.#progress.get(path)
      let from = before?.inode === inode && size >= before.offset ? before.offset : 0
      let found = commandsOf(bytesOf(file, from, size))
      if (!found) {
        // What was cut and has grown again has no command where the last one ended.
        from = 0
        found = commandsOf(bytesOf(file, from, size))
      }
      if (!found) throw new Error(`${path} is no append-only file`)
      this.#progress.set(path, { inode, offset: from + found.bytes })
      return found.commands
    } finally {
      closeSync(file)
    }
  }

  #take([command, key, ...rest]: readonly Buffer[], life: { writes: StoredWrite[]; claims: Claim[] }): void {
    const name = String(key)
    const source = this.#source
    switch (String(command).toUpperCase()) {
      case 'SET':
        if (name.startsWith(this.#entries)) {
          life.writes.push({ ...entryOf(rest[0]), item: `entry:${name.slice(this.#entries.length)}`, source })
        }
        break
      case 'HSET':
        if (name === `${ROOT}forks`) this.#fork = `${rest[0]}-${rest[1]}`
        else if (name.startsWith(`${ROOT}chunk:`)) life.writes.push({ ...chunkOf(name, rest), source })
        break
      case 'XADD': {
        const epoch = name === `${ROOT}log` ? claimedBy(rest) : undefined
        if (epoch !== undefined) {
          life.claims.push({ epoch, from: this.#fork, source })
          this.#fork = undefined
        }
      }
    }
  }
}

function bytesOf(file: number, from: number, to: number): Buffer {
  const bytes = Buffer.alloc(to - from)
  const read = readSync(file, bytes, 0, bytes.length, from)
  return bytes.subarray(0, read)
}

/** Whole commands and how many bytes they have; nothing for bytes that don't begin with one. */
function commandsOf(bytes: Buffer): { commands: Buffer[][]; bytes: number } | undefined {
  const commands: Buffer[][] = []
  let at = 0
  let whole = 0
  const line = (): string | undefined => {
    const end = bytes.indexOf('\r\n', at)
    if (end < 0) return undefined
    const text = bytes.toString('latin1', at, end)
    at = end + 2
    return text
  }
  while (at < bytes.length) {
    if (bytes[at] !== ARRAY && bytes[at] !== COMMENT) return undefined
    const head = line()
    if (head === undefined) break
    if (!head.startsWith('#')) {
      const args: Buffer[] = []
      const count = Number(head.slice(1))
      while (args.length < count) {
        const length = Number(line()?.slice(1) ?? Number.NaN)
        if (Number.isNaN(length) || at + length + 2 > bytes.length) return { commands, bytes: whole }
        args.push(bytes.subarray(at, at + length))
        at += length + 2
      }
      commands.push(args)
    }
    whole = at
  }
  return { commands, bytes: whole }
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
