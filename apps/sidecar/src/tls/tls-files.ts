/*
 * Certificates that are taken again when their files change.
 *
 * Invariant: what is in use always fits together. A new certificate is taken once its key is there too, and what can't be
 * used is named in the log once and left alone: connections go on being made with what was read last. Files are read
 * again, not watched: a changed mount, a renamed link and a file written in place all look the same then.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { Logger } from 'pino'
import type { TlsPaths } from './tls-config.ts'

/** What the files hold, as PEM. */
export interface TlsMaterial {
  readonly cert?: Buffer | undefined
  readonly key?: Buffer | undefined
  readonly ca?: Buffer | undefined
}

/** A file of TLS that can't be used. */
export class TlsFileError extends Error {
  override name = 'TlsFileError'
}

export interface TlsFilesOptions {
  /** Whose they are, for messages: `the server`. */
  readonly title: string
  readonly paths: TlsPaths
  readonly log: Logger
  /** How often they are read again. Default 1,000. */
  readonly intervalMs?: number
}

const NAMES = ['cert', 'key', 'ca'] as const
/** From so long before its end on a certificate that runs out is worth a warning. */
const WARN_BEFORE_MS = 7 * 86_400_000

export class TlsFiles {
  readonly #options: TlsFilesOptions
  readonly #log: Logger
  readonly #listeners = new Set<(material: TlsMaterial) => void>()
  #current: TlsMaterial
  /** What was read last, be it good or not. */
  #seen: TlsMaterial
  #problem: string | undefined
  #timer: NodeJS.Timeout | undefined

  /** Reads the files. @throws TlsFileError */
  constructor(options: TlsFilesOptions) {
    this.#options = options
    this.#log = options.log.child({ tls: options.title })
    const read = (path: string | undefined) => path && readFileSync(path)
    try {
      this.#current = Object.fromEntries(NAMES.map((name) => [name, read(options.paths[name]) || undefined]))
    } catch (error) {
      throw this.#unreadable(error)
    }
    check(options, this.#current)
    this.#seen = this.#current
    this.#warnOfEnd()
  }

  /** What new connections are to use. */
  get current(): TlsMaterial {
    return this.#current
  }

  /** When the certificate in use runs out; `undefined` without one. */
  get endsAt(): Date | undefined {
    const { cert } = this.#current
    return cert && new X509Certificate(cert).validToDate
  }

  /** Calls back when what is to be used has changed; returns what ends that. */
  onChange(listener: (material: TlsMaterial) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Starts to look for changes. */
  start(): void {
    const { paths, intervalMs = 1000 } = this.#options
    if (NAMES.every((name) => paths[name] === undefined)) return
    const later = () => {
      this.#timer = setTimeout(() => void this.#look().finally(later), intervalMs)
      this.#timer.unref()
    }
    later()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  async #look(): Promise<void> {
    const { paths } = this.#options
    const read = async (path: string | undefined) => (path === undefined ? undefined : readFile(path))
    try {
      const [cert, key, ca] = await Promise.all(NAMES.map((name) => read(paths[name])))
      const material: TlsMaterial = { cert, key, ca }
      if (isSame(material, this.#seen)) return
      this.#seen = material
      check(this.#options, material)
      if (isSame(material, this.#current)) return
      this.#problem = undefined
      this.#current = material
    } catch (error) {
      this.#keep(error instanceof TlsFileError ? error : this.#unreadable(error))
      return
    }
    this.#log.info({ endsAt: this.endsAt }, 'new certificates are in use')
    this.#warnOfEnd()
    for (const listener of this.#listeners) listener(this.#current)
  }

  #keep({ message }: Error): void {
    if (message !== this.#problem)
      this.#log.error({ problem: message }, 'the certificates read before stay in use')
    this.#problem = message
  }

  #unreadable(error: unknown): TlsFileError {
    const { path, code, message } = error as NodeJS.ErrnoException
    return new TlsFileError(
      `TLS of ${this.#options.title}: ${path ?? 'a file'} can't be read: ${code ?? message}`,
    )
  }

  #warnOfEnd(): void {
    const { endsAt } = this
    if (!endsAt) return
    const left = endsAt.getTime() - Date.now()
    if (left > WARN_BEFORE_MS) return
    const text =
      left > 0 ? 'the certificate runs out soon: renew it' : 'the certificate has run out: renew it'
    this.#log.warn({ endsAt }, text)
  }
}

/** @throws TlsFileError for what can't be used, or doesn't belong together. */
function check({ title, paths }: TlsFilesOptions, { cert, key, ca }: TlsMaterial): void {
  const attempt = (what: string, work: () => void) => {
    try {
      work()
    } catch (error) {
      throw new TlsFileError(`TLS of ${title}: ${what}: ${(error as Error).message}`)
    }
  }
  if (cert) attempt(`${paths.cert} holds no certificate as PEM`, () => checkCertificates(cert))
  if (ca) attempt(`${paths.ca} holds no certificate as PEM`, () => checkCertificates(ca))
  if (key)
    attempt(`${paths.key} holds no private key as PEM without a passphrase`, () => createPrivateKey(key))
  attempt(`${paths.key} isn't the key of ${paths.cert}`, () => createSecureContext({ cert, key, ca }))
}

/** Looks at each one: OpenSSL takes those before one that is broken, and says nothing. @throws Error */
function checkCertificates(pem: Buffer): void {
  const text = pem.toString('latin1')
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  if (found.length === 0) throw new Error('none in it')
  if (found.length < text.split('-----BEGIN ').length - 1) throw new Error('one of them is cut off, or none')
  for (const one of found) new X509Certificate(one)
}

function isSame(a: TlsMaterial, b: TlsMaterial): boolean {
  return NAMES.every((name) => {
    const [one, other] = [a[name], b[name]]
    return one === undefined || other === undefined ? one === other : one.equals(other)
  })
}
