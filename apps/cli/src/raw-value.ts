import type { Codec } from '@perigee/sdk'

/** A codec that changes nothing, and keeps the content type that the user gave. */
export function rawCodec(contentType = ''): Codec<Uint8Array> {
  return { contentType, encode: (value) => value, decode: (value) => value }
}

/** A value for JSON: as text if it is UTF-8, else as base64; `encoding` tells which. */
export function valueJson(value: Uint8Array): { value: string; encoding: 'utf8' | 'base64' } {
  try {
    return {
      value: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value),
      encoding: 'utf8',
    }
  } catch {
    return { value: Buffer.from(value).toString('base64'), encoding: 'base64' }
  }
}
