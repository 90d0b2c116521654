import { describe, expect, it } from 'vitest'
import { type ConnectOptions, connectSettings } from './connect-options.ts'

const domain = 'rag.internal'
const regions = ['us-east-1', 'eu-west-1']

describe('the options to connect', () => {
  it('have defaults', () => {
    expect(connectSettings({ domain, regions }, {})).toMatchObject({
      domain,
      regions,
      region: undefined,
      dns: undefined,
      port: 7700,
      defaultTimeoutMs: 5_000,
      connectTimeoutMs: 1_000,
      transport: 'auto',
    })
  })

  it.each([
    [{ region: 'a' }, { REGION: 'b', AWS_REGION: 'c' }, 'a'],
    [{}, { REGION: 'b', AWS_REGION: 'c' }, 'b'],
    [{}, { AWS_REGION: 'c' }, 'c'],
    [{}, { REGION: '', AWS_REGION: '' }, undefined],
  ])('%j with %j are in region %s', (options, environment, region) => {
    expect(connectSettings({ domain, regions, ...options }, environment).region).toBe(region)
  })

  it('take addresses with and without port, v6 too', () => {
    const { addresses, regions: found } = connectSettings(
      { addresses: { a: '10.0.0.1', b: ['sidecar:7', '::1', '[::1]:8'] }, port: 99 },
      {},
    )
    expect(found).toEqual(['a', 'b'])
    expect(addresses?.get('a')).toEqual(['10.0.0.1:99'])
    expect(addresses?.get('b')).toEqual(['sidecar:7', '[::1]:99', '[::1]:8'])
  })

  it.each<[string, ConnectOptions]>([
    ['regions', { domain }],
    ['regions', { domain, regions: [] }],
    ['domain', { regions }],
    ['dns', { domain, regions, dns: 'resolver.internal:53' }],
    ['port', { domain, regions, port: 99_999 }],
    ['addresses.a', { addresses: { a: 'http://x:1' } }],
    ['addresses.a', { addresses: { a: 'x:99999' } }],
    ['defaultTimeoutMs', { domain, regions, defaultTimeoutMs: 0 }],
    ['transport', { domain, regions, transport: 'http' as 'auto' }],
    ['connectTimeoutMs', { domain, regions, connectTimeoutMs: Number.NaN }],
  ])('without a sensible %s are refused', (field, options) => {
    expect(() => connectSettings(options, {})).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', fields: [expect.objectContaining({ field })] }),
    )
  })
})
