import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { TLS_SETTINGS, tlsConfigOf } from './tls-config.ts'

function problemsOf(settings: Parameters<typeof tlsConfigOf>[0]): string[] {
  const problems: string[] = []
  tlsConfigOf(settings, problems)
  return problems
}

describe('the settings of TLS', () => {
  it('are none by default', () => {
    expect(tlsConfigOf({}, [])).toMatchObject({ server: undefined, peers: undefined })
  })

  it('are paths: what is in the files is refused without being shown', () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----\n'
    const { error } = z.object(TLS_SETTINGS).safeParse({ TLS_KEY: pem })
    expect(error?.message).toContain('must be the path of a PEM file')
    expect(error?.message).not.toContain('MIGHAgEAMBMG')
  })

  it('call peers with what is shown to callers, and trust the same CA unless there is another', () => {
    const both = { TLS_CERT: 'cert', TLS_KEY: 'key', TLS_CLIENT_CA: 'clients' }
    const shown = { cert: 'cert', key: 'key' }
    expect(tlsConfigOf(both, [])).toMatchObject({
      server: { ...shown, ca: 'clients' },
      peers: { ...shown, ca: 'clients' },
    })
    expect(tlsConfigOf({ ...both, PEER_CA: 'peers' }, [])).toMatchObject({
      server: { ...shown, ca: 'clients' },
      peers: { ...shown, ca: 'peers' },
    })
  })

  it.each([
    [{ TLS_CERT: 'cert' }, 'PERIGEE_TLS_KEY is required by PERIGEE_TLS_CERT'],
    [{ TLS_KEY: 'key' }, 'PERIGEE_TLS_CERT is required by PERIGEE_TLS_KEY'],
    [{ REDIS_CERT: 'cert' }, 'PERIGEE_REDIS_KEY is required by PERIGEE_REDIS_CERT'],
    [{ TLS_CLIENT_CA: 'ca' }, 'PERIGEE_TLS_CLIENT_CA needs PERIGEE_TLS_CERT'],
    [{ PEER_CA: 'ca' }, 'PERIGEE_PEER_CA needs PERIGEE_TLS_CERT'],
  ])('refuse %j, which would be ignored in silence', (settings, problem) => {
    expect(problemsOf(settings)).toEqual([expect.stringContaining(problem)])
  })
})
