// tsyringe, which @peculiar/x509 is built with, needs it.
import 'reflect-metadata'
import type { webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

/** A certificate and its private key, as PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** When a certificate is good. */
export interface Validity {
  /** Default: five minutes ago, for clocks that are a little late. */
  readonly notBefore?: Date
  /** Default: a year from now; ten years for an authority. */
  readonly notAfter?: Date
}

/** What a certificate is to say. */
export interface CertificateRequest extends Validity {
  /** Its common name, for people and for logs. */
  readonly name: string
  /** DNS names and IP addresses that it is good for. */
  readonly names?: readonly string[]
  /** A `server` may be called and, as sidecars do, call others; a `client` may only call. */
  readonly use: 'server' | 'client'
}

const DAY_MS = 86_400_000
const CLOCK_SLACK_MS = 300_000
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** A private certificate authority: signs certificates of ECDSA P-256 for one cluster. */
export class Authority {
  /** Its own certificate, which whoever is to trust it needs. */
  readonly cert: string
  /** Its private key, which is for making further certificates alone. */
  readonly key: string
  readonly #signingKey: webcrypto.CryptoKey

  private constructor({ cert, key }: Certificate, signingKey: webcrypto.CryptoKey) {
    this.cert = cert
    this.key = key
    this.#signingKey = signingKey
  }

  /** Makes a new one. @param options.name its common name. */
  static async create(options: Validity & { readonly name: string }): Promise<Authority> {
    const keys = await newKeys()
    const certificate = await X509CertificateGenerator.createSelfSigned({
      ...validity(options, 3650),
      serialNumber: newSerial(),
      name: commonName(options.name),
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    })
    return new Authority({ cert: pem(certificate), key: await privatePem(keys.privateKey) }, keys.privateKey)
  }

  /** One that was made before. @throws when the PEM isn't a certificate and a P-256 key. */
  static async of(parts: Certificate): Promise<Authority> {
    new X509Certificate(parts.cert)
    const [der] = PemConverter.decode(parts.key)
    if (!der) throw new Error('there is no private key in the PEM of the authority')
    return new Authority(parts, await crypto.subtle.importKey('pkcs8', der, ALGORITHM, true, ['sign']))
  }

  /** Makes a key and signs a certificate for it. */
  async issue(request: CertificateRequest): Promise<Certificate> {
    const keys = await newKeys()
    const issuer = new X509Certificate(this.cert)
    const isServer = request.use === 'server'
    const uses = [ExtendedKeyUsage.clientAuth, ...(isServer ? [ExtendedKeyUsage.serverAuth] : [])]
    const names = (request.names ?? []).map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value }) as const)
    const certificate = await X509CertificateGenerator.create({
      ...validity(request, 365),
      serialNumber: newSerial(),
      subject: commonName(request.name),
      issuer: issuer.subject,
      publicKey: keys.publicKey,
      signingKey: this.#signingKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension(uses),
        ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
        await SubjectKeyIdentifierExtension.create(keys.publicKey),
        await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ],
    })
    return { cert: pem(certificate), key: await privatePem(keys.privateKey) }
  }
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
}

function validity({ notBefore, notAfter }: Validity, days: number): Required<Validity> {
  return {
    notBefore: notBefore ?? new Date(Date.now() - CLOCK_SLACK_MS),
    notAfter: notAfter ?? new Date(Date.now() + days * DAY_MS),
  }
}

/** 127 random bits: the first must be 0, a serial number isn't negative. */
function newSerial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40
  return Buffer.from(bytes).toString('hex')
}

function commonName(name: string): { CN: string[] }[] {
  return [{ CN: [name] }]
}

function pem(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`
}
