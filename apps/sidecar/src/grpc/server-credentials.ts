import { experimental, ServerCredentials } from '@grpc/grpc-js'
import type { TlsFiles } from '../tls/tls-files.ts'

/** How long a caller may take for its part of the handshake; Node's own limit is two minutes. */
const HANDSHAKE_TIMEOUT_MS = 5000

/**
 * What a server speaks with: TLS by files, whose changes new connections are made with, or none. With a CA, callers without a
 * certificate by it are refused in the handshake.
 */
export function serverCredentials(files: TlsFiles | undefined): ServerCredentials {
  if (!files) return ServerCredentials.createInsecure()
  const provider = new FileCertificates(files)
  const demands = files.current.ca !== undefined
  const credentials = experimental.createCertificateProviderServerCredentials(
    provider,
    demands ? provider : null,
    demands,
  )
  const options = credentials._getConstructorOptions()
  credentials._getConstructorOptions = () => ({ ...options, handshakeTimeout: HANDSHAKE_TIMEOUT_MS })
  return credentials
}

type CaListener = Parameters<experimental.CertificateProvider['addCaCertificateListener']>[0]
type OwnListener = Parameters<experimental.CertificateProvider['addIdentityCertificateListener']>[0]

/** Files as grpc-js wants to be told of them: later than it asks, and then at every change. */
class FileCertificates implements experimental.CertificateProvider {
  readonly #files: TlsFiles
  readonly #ends = new Map<CaListener | OwnListener, () => void>()

  constructor(files: TlsFiles) {
    this.#files = files
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#add(listener, () => {
      const { ca } = this.#files.current
      listener(ca ? { caCertificate: ca } : null)
    })
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#remove(listener)
  }

  addIdentityCertificateListener(listener: OwnListener): void {
    this.#add(listener, () => {
      const { cert, key } = this.#files.current
      listener(cert && key ? { certificate: cert, privateKey: key } : null)
    })
  }

  removeIdentityCertificateListener(listener: OwnListener): void {
    this.#remove(listener)
  }

  #add(listener: CaListener | OwnListener, tell: () => void): void {
    this.#ends.set(listener, this.#files.onChange(tell))
    process.nextTick(tell)
  }

  #remove(listener: CaListener | OwnListener): void {
    this.#ends.get(listener)?.()
    this.#ends.delete(listener)
  }
}
