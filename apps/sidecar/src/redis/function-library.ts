import { readdirSync, readFileSync } from 'node:fs'
import { type Argument, type RedisConnection, RedisFailure } from './connection.ts'

/**
 * The version of the function library. It must grow with every change of the functions: a library of the same name
 * is never loaded again, since that would drop the claim.
 */
export const LIBRARY_VERSION = 1

const LIBRARY_NAME = `perigee_${LIBRARY_VERSION}`
const FUNCTION_PREFIX = `pg${LIBRARY_VERSION}`
const PRELUDE = 'prelude.lua'

/** Asks which versions of the library are loaded. */
export const LIST_LIBRARIES = ['FUNCTION', 'LIST', 'LIBRARYNAME', 'perigee_*'] as const

/** Reads the reply of {@link LIST_LIBRARIES}. */
export function loadedVersions(reply: unknown): number[] {
  return (reply as string[][]).map((fields) =>
    Number(fields[fields.indexOf('library_name') + 1]?.split('_')[1]),
  )
}

/** A function's name in a version of the library. */
export function functionName(version: number, name: string): string {
  return `pg${version}_${name}`
}
const FOLDER = new URL('./functions/', import.meta.url)

/** The whole library as `FUNCTION LOAD` takes it: what all share, then one block a file. */
export function librarySource(): string {
  const read = (file: string) => readFileSync(new URL(file, FOLDER), 'utf8').trimEnd()
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.lua') && file !== PRELUDE)
  const blocks = files.sort().map((file) => `do\n${read(file)}\nend`)
  const source = [`#!lua name=${LIBRARY_NAME}`, read(PRELUDE), ...blocks].join('\n\n')
  return `${source.replaceAll('PREFIX_', `${FUNCTION_PREFIX}_`)}\n`
}

/** Calls the library's functions over one connection. */
export class FunctionLibrary {
  readonly #connection: RedisConnection

  constructor(connection: RedisConnection) {
    this.#connection = connection
  }

  /** The connection it calls over. */
  get connection(): RedisConnection {
    return this.#connection
  }

  /**
   * Loads the library into a master that lacks it.
   *
   * @returns whether it was absent.
   * @throws RedisFailure, with the word READONLY at a replica.
   */
  async load(): Promise<boolean> {
    try {
      await this.#connection.call('FUNCTION', 'LOAD', librarySource())
      return true
    } catch (error) {
      if (error instanceof RedisFailure && /already exists/.test(error.message)) return false
      throw error
    }
  }

  /** The newest version that is loaded, 0 when there is none. */
  async newestVersion(): Promise<number> {
    return Math.max(0, ...(await this.versions()))
  }

  /** The versions that are loaded. */
  async versions(): Promise<number[]> {
    return loadedVersions(await this.#connection.call(...LIST_LIBRARIES))
  }

  /** Calls a function that may write, or must not run on a replica; strings in the reply are text. */
  call(name: string, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    return this.#connection.call('FCALL', `${FUNCTION_PREFIX}_${name}`, keys.length, ...keys, ...args)
  }

  /** Calls a reading function: as it is on any Redis, or claim-checked. Strings in the reply are Buffers. */
  read(name: string, primary: boolean, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    const command = primary ? 'FCALL' : 'FCALL_RO'
    const fullName = `${FUNCTION_PREFIX}_${name}${primary ? '_fenced' : ''}`
    return this.#connection.callBuffer(command, fullName, keys.length, ...keys, ...args)
  }

  /** Calls a reading function on any Redis; strings in the reply are text. */
  readText(name: string, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    return this.#connection.call('FCALL_RO', `${FUNCTION_PREFIX}_${name}`, keys.length, ...keys, ...args)
  }
}

/** Whether a failure says that the library isn't there. */
export function isLibraryMissing(error: unknown): boolean {
  return error instanceof RedisFailure && /Function not found/i.test(error.message)
}
