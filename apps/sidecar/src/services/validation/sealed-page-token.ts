import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { invalidField } from '../../status-error.ts'

const CIPHER = 'aes-256-gcm'
const SEALER_BYTES = 4
const IV_BYTES = 12
const TAG_BYTES = 16
const LENGTH_MAX = 1024 * 1024

/** The token was sealed with another secret. */
export const SEALED_ELSEWHERE = Symbol('sealed elsewhere')

/**
 * Page tokens whose cursor is neither told to callers nor made by them: who has the same secret can go on with the list. A
 * token is who sealed it, a nonce, what proves the rest, and the cursor by AES-256-GCM, bound to its list.
 */
export class SealedPageTokens {
  readonly #key: Buffer
  readonly #sealer: Buffer

  constructor(secret: string) {
    this.#key = digest(`page tokens, key ${secret}`)
    this.#sealer = digest(`page tokens, name ${secret}`).subarray(0, SEALER_BYTES)
  }

  /**
   * @param list what is listed: method, namespace, prefix and the like.
   * @param cursor where the next page begins. Its length shows.
   */
  write(list: readonly string[], cursor: string): string {
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv(CIPHER, this.#key, iv).setAAD(about(list))
    const sealed = Buffer.concat([cipher.update(cursor), cipher.final()])
    return Buffer.concat([this.#sealer, iv, cipher.getAuthTag(), sealed]).toString('base64url')
  }

  /**
   * The cursor in a token, `undefined` for the first page.
   *
   * @throws StatusError INVALID_FIELD when it isn't a token of this very list.
   */
  read(list: readonly string[], token: string): string | undefined | typeof SEALED_ELSEWHERE {
    if (token === '') return undefined
    if (token.length > LENGTH_MAX || !/^[A-Za-z0-9_-]+$/.test(token)) throw none()
    const bytes = Buffer.from(token, 'base64url')
    const [ivAt, tagAt, at] = [SEALER_BYTES, SEALER_BYTES + IV_BYTES, SEALER_BYTES + IV_BYTES + TAG_BYTES]
    if (bytes.length < at) throw none()
    if (!bytes.subarray(0, ivAt).equals(this.#sealer)) return SEALED_ELSEWHERE
    try {
      const cipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(ivAt, tagAt), {
        authTagLength: TAG_BYTES,
      })
      cipher.setAAD(about(list)).setAuthTag(bytes.subarray(tagAt, at))
      return cipher.update(bytes.subarray(at), undefined, 'utf8') + cipher.final('utf8')
    } catch {
      throw none()
    }
  }
}

function about(list: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify(list))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function none() {
  return invalidField(
    'page_token',
    'must be the next_page_token of this same list, or empty for its first page',
  )
}
