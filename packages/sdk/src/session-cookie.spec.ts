import { encodeToken, tokenToString } from '@perigee/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sessionFromCookie, sessionToCookie } from './session-cookie.ts'
import { sessionFromHeaders, sessionToHeaders } from './session-headers.ts'

const position = { epoch: 1763848912345002, seq: 1042 }
const token = tokenToString(encodeToken({ clusterId: '00000000000000aa', position }))

/** What a browser sends back of a Set-Cookie. */
function sent(setCookie: string | undefined): { cookie: string } {
  return { cookie: setCookie?.split(';')[0] ?? '' }
}

describe('a session cookie', () => {
  it('comes back as it was set', () => {
    expect(sessionFromCookie(sent(sessionToCookie({ token })))).toBe(token)
    const name = '__Host-s'
    expect(sessionFromCookie(sent(sessionToCookie({ token }, { name })), { name })).toBe(token)
  })

  it('is out of reach of scripts, other hosts, other sites and plain HTTP, unless it is said otherwise', () => {
    expect(sessionToCookie({ token })).toBe(
      `perigee-session=${token}; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax`,
    )
    const options = {
      name: 's',
      path: '/app',
      domain: 'example.com',
      maxAgeSeconds: 0,
      secure: false,
      sameSite: 'strict',
    } as const
    expect(sessionToCookie({ token }, options)).toBe(
      `s=${token}; Path=/app; Domain=example.com; Max-Age=0; HttpOnly; SameSite=Strict`,
    )
  })

  it('is not set before the session has seen anything', () => {
    expect(sessionToCookie({ token: '' })).toBeUndefined()
  })

  it.each([
    { name: 'a b' },
    { name: 'a=b' },
    { name: '' },
    { path: '/;Domain=evil.example' },
    { path: '/\r\nSet-Cookie: a=b' },
    { domain: 'a;b' },
    { maxAgeSeconds: -1 },
    { maxAgeSeconds: 1.5 },
    { sameSite: 'none', secure: false },
  ] as const)('refuses %j', (options) => {
    expect(() => sessionToCookie({ token }, options)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })

  it.each([
    [`a=1; perigee-session=${token}; b=2`, token],
    [`perigee-session=${token}`, token],
    [`perigee-session="${token}"`, token],
    [` perigee-session = ${token} `, token],
    [`perigee-session=garbage; perigee-session=${token}`, token],
    [`xperigee-session=${token}`, undefined],
    [`perigee-session=${token}x`, undefined],
    ['perigee-session=', undefined],
    ['perigee-session', undefined],
    ['', undefined],
  ])('%j has the token %j', (cookie, expected) => {
    expect(sessionFromCookie({ cookie })).toBe(expected)
    expect(sessionFromCookie(new Headers({ cookie }))).toBe(expected)
  })

  it('of any text at all is a token or nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (cookie) => {
        const found = sessionFromCookie({ cookie: `perigee-session=${cookie}` })
        expect(found === undefined || cookie.includes(found)).toBe(true)
      }),
    )
    expect(sessionFromCookie({})).toBeUndefined()
    // What a stranger sends costs no more than its length.
    expect(sessionFromCookie({ cookie: ';='.repeat(1_000_000) })).toBeUndefined()
  })
})

describe('a session header', () => {
  it('comes back as it was sent, whatever the spelling of its name', () => {
    expect(sessionToHeaders({ token })).toEqual({ 'perigee-session': token })
    expect(sessionFromHeaders(sessionToHeaders({ token }))).toBe(token)
    expect(sessionFromHeaders(new Headers(sessionToHeaders({ token })))).toBe(token)
    expect(sessionFromHeaders({ 'Perigee-Session': [token] })).toBe(token)
  })

  it('is not sent before the session has seen anything, and not there when it was not sent', () => {
    expect(sessionToHeaders({ token: '' })).toEqual({})
    expect(sessionFromHeaders({})).toBeUndefined()
    expect(sessionFromHeaders({ 'perigee-session': ' ' })).toBeUndefined()
  })
})
