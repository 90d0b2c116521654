import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Authority, type Certificate, type CertificateRequest } from './authority.ts'

/** Where a certificate and its key are. */
export interface CertificatePaths {
  readonly cert: string
  readonly key: string
}

/** A file of the folder, and whether it was there already. */
export interface FolderEntry extends CertificatePaths {
  readonly name: string
  readonly made: boolean
}

/**
 * A folder of a private CA, `ca.pem` and `ca-key.pem`, and certificates `<name>.pem` with their keys `<name>-key.pem`. What is
 * there is used, never written over; keys are readable by their owner alone.
 */
export class CertificateFolder {
  readonly dir: string
  /** The authority's certificate. */
  readonly ca: string
  /** Whether the authority was made just now. */
  readonly authorityMade: boolean
  readonly #authority: Authority

  private constructor(dir: string, authority: Authority, made: boolean) {
    this.dir = dir
    this.ca = join(dir, 'ca.pem')
    this.#authority = authority
    this.authorityMade = made
  }

  /**
   * Opens a folder; one without an authority gets one.
   *
   * @throws when half of an authority is there, or something that isn't one.
   */
  static async open(dir: string, options: { readonly authorityName: string }): Promise<CertificateFolder> {
    mkdirSync(dir, { recursive: true })
    const paths = { cert: join(dir, 'ca.pem'), key: join(dir, 'ca-key.pem') }
    const known = readPair(paths)
    const authority = known
      ? await Authority.of(known)
      : await Authority.create({ name: options.authorityName })
    if (!known) writePair(paths, authority)
    return new CertificateFolder(dir, authority, !known)
  }

  /** Where the certificate of a name is, made unless it was there. @throws when half of it is there. */
  async certificate(file: string, request: CertificateRequest): Promise<FolderEntry> {
    const paths = { cert: join(this.dir, `${file}.pem`), key: join(this.dir, `${file}-key.pem`) }
    if (readPair(paths)) return { ...paths, name: file, made: false }
    writePair(paths, await this.#authority.issue(request))
    return { ...paths, name: file, made: true }
  }
}

function readPair({ cert, key }: CertificatePaths): Certificate | undefined {
  const [hasCert, hasKey] = [existsSync(cert), existsSync(key)]
  if (hasCert !== hasKey) {
    const [there, missing] = hasCert ? [cert, key] : [key, cert]
    throw new Error(`${there} is there, and ${missing} isn't: bring it back, or move the other one away`)
  }
  return hasCert ? { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') } : undefined
}

/** Never over what is there: `wx` fails then. */
function writePair(paths: CertificatePaths, { cert, key }: Certificate): void {
  writeFileSync(paths.key, key, { mode: 0o600, flag: 'wx' })
  writeFileSync(paths.cert, cert, { mode: 0o644, flag: 'wx' })
}
