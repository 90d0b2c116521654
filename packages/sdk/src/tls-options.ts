import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'
import { parseAddress } from './connection.ts'
import type { Endpoint } from './endpoint.ts'
import { invalidArgument } from './perigee-error.ts'

/** How to speak TLS with sidecars. Each file may change: it is read again for every new connection. */
export interface TlsOptions {
  /** The CAs to trust, as PEM or as the path of a PEM file. Default: those that Node trusts. */
  readonly ca?: string | undefined
  /** This client's certificate, as PEM or as the path of a PEM file; for sidecars that demand one. */
  readonly cert?: string | undefined
  /** Its private key, without a passphrase, likewise. */
  readonly key?: string | undefined
  /**
   * The name that sidecars' certificates must be good for. Default: `api.<region>.<domain>`, whatever address DNS gave for it; of
   * `addresses` without a `domain`, the address's host.
   */
  readonly serverName?: string | undefined
}

const FILES = ['ca', 'cert', 'key'] as const

/** The TLS options, checked, and what new connections are made with. */
export class ClientTls {
  readonly #options: TlsOptions
  readonly #domain: string | undefined
  readonly #listed: boolean
  #texts: readonly (string | undefined)[] = []
  #context: SecureContext

  /**
   * @param where.domain under which names are looked for; none when it wasn't given.
   * @param where.listed whether addresses were given, and not found by DNS.
   * @throws PerigeeError `INVALID_ARGUMENT` naming the option that is wrong.
   */
  constructor(
    options: TlsOptions,
    where: { readonly domain?: string | undefined; readonly listed: boolean },
  ) {
    this.#options = options
    this.#domain = where.domain || undefined
    this.#listed = where.listed
    for (const [one, other] of [
      ['cert', 'key'],
      ['key', 'cert'],
    ] as const) {
      if (options[one] !== undefined && options[other] === undefined)
        throw invalidArgument(`tls.${one} needs tls.${other} beside it`, `tls.${other}`)
    }
    this.#texts = FILES.map((name) => this.#text(name))
    this.#context = contextOf(this.#texts)
  }

  /** Names of which a sidecar's certificate must have one; the first is sent as the name that is meant. */
  namesOf({ region, address }: Endpoint): readonly string[] {
    const { serverName } = this.#options
    if (serverName !== undefined) return [serverName]
    const named = this.#domain === undefined ? [] : [`api.${region}.${this.#domain}`]
    // Who answers for DNS may give any address, but not a certificate for the name.
    return this.#listed ? [...named, parseAddress(address).host] : named
  }

  /** What a new connection is to be made with: of what is in the files now, or of what could last be used. */
  get context(): SecureContext {
    try {
      const texts = FILES.map((name) => this.#text(name))
      if (texts.every((text, i) => text === this.#texts[i])) return this.#context
      this.#context = contextOf(texts)
      this.#texts = texts
    } catch {
      // A file is being replaced, or its pair isn't there yet: the server says so if the old one isn't good any more.
    }
    return this.#context
  }

  #text(name: (typeof FILES)[number]): string | undefined {
    const given = this.#options[name]
    if (given === undefined || given.includes('-----BEGIN ')) return given
    try {
      return readFileSync(given, 'utf8')
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // What is meant for a path may be a key in another form, which is not to be shown.
      const shown = name === 'key' ? '' : ` ${given.slice(0, 200)}`
      const text = `tls.${name} is neither PEM nor a file that can be read:${shown} ${code}`
      throw invalidArgument(text, `tls.${name}`)
    }
  }
}

/** @throws PerigeeError `INVALID_ARGUMENT` */
function contextOf([ca, cert, key]: readonly (string | undefined)[]): SecureContext {
  const attempt = <T>(field: string, what: string, work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw invalidArgument(`${field} ${what}: ${(error as Error).message}`, field)
    }
  }
  if (ca !== undefined) attempt('tls.ca', 'holds no certificate as PEM', () => new X509Certificate(ca))
  if (cert !== undefined) attempt('tls.cert', 'holds no certificate as PEM', () => new X509Certificate(cert))
  if (key !== undefined) attempt('tls.key', 'holds no private key as PEM', () => createPrivateKey(key))
  const material = { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert, key }) }
  return attempt('tls.key', "isn't the key of tls.cert", () => createSecureContext(material))
}
