import { expect, it } from 'vitest'
import { namesOf } from './certificate-names.ts'

const names = (CN: string | undefined, subjectaltname?: string) =>
  namesOf({ subject: { CN } as never, ...(subjectaltname !== undefined && { subjectaltname }) } as never)

it('are the common name, then DNS names and URIs, and no addresses', () => {
  expect(names('shop', 'DNS:shop.internal, IP Address:127.0.0.1, URI:spiffe://a/b, DNS:shop')).toEqual([
    ...['shop', 'shop.internal', 'spiffe://a/b'],
  ])
  expect(names(undefined, 'DNS:only.dns')).toEqual(['only.dns'])
  expect(names(undefined)).toEqual([])
})

it('aren’t made of what is inside of a name', () => {
  expect(names('x', 'DNS:"a, DNS:api.us-east-1.rag.internal", DNS:b')).toEqual([
    ...['x', 'a, DNS:api.us-east-1.rag.internal', 'b'],
  ])
  expect(names('x', 'IP Address:1.2.3.4, email:a@b')).toEqual(['x'])
  expect(names('a\u0000b', 'DNS:b')).toEqual(['b'])
})
