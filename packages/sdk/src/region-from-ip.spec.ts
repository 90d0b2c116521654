import { describe, expect, it } from 'vitest'
import { regionChoiceFromIp, regionFromIp } from './region-from-ip.ts'

const REGIONS = ['us-east-1', 'eu-west-1', 'ap-southeast-1']

/** As `maxmind` answers. */
const cities = new Map<string, unknown>([
  ['81.2.69.142', { country: { iso_code: 'GB' }, location: { latitude: 51.5142, longitude: -0.0931 } }],
  ['2001:218::1', { country: { iso_code: 'JP' } }],
  ['1.1.1.1', { location: { latitude: 'north', longitude: Number.NaN }, country: { iso_code: 7 } }],
])
const maxmind = { get: (ip: string) => cities.get(ip) ?? null }

class Named extends Error {
  constructor(name: string) {
    super(`${name}!`)
    this.name = name
  }
}

/** As `@maxmind/geoip2-node` answers, with a database of countries. */
const countries = {
  city(): never {
    throw new Named('BadMethodCallError')
  },
  country(ip: string) {
    if (ip === '2001:218::1') return { country: { isoCode: 'JP' } }
    throw new Named('AddressNotFoundError')
  },
}

describe('the region from an IP address', () => {
  it.each([
    ['81.2.69.142', 'eu-west-1'],
    ['::ffff:81.2.69.142', 'eu-west-1'],
    [' 81.2.69.142 ', 'eu-west-1'],
    ['2001:218::1', 'ap-southeast-1'],
    ['10.0.0.1', undefined],
    ['1.1.1.1', undefined],
    ['81.2.69.142:443', undefined],
    ['81.2.69.142, 10.0.0.1', undefined],
    ['', undefined],
    ['__proto__', undefined],
    [undefined, undefined],
  ])('%s is %s', (ip, region) => {
    expect(regionFromIp(ip, maxmind, REGIONS)).toBe(region)
  })

  it('may come of a database of countries', () => {
    expect(regionFromIp('2001:218::1', countries, REGIONS)).toBe('ap-southeast-1')
    expect(regionFromIp('10.0.0.1', countries, REGIONS)).toBeUndefined()
    const city = {
      ...countries,
      city: () => ({ location: { latitude: 40.7, longitude: -74 }, country: { isoCode: 'US' } }),
    }
    expect(regionFromIp('10.0.0.1', city, REGIONS)).toBe('us-east-1')
  })

  it('tells what said so', () => {
    expect(regionChoiceFromIp('81.2.69.142', maxmind, REGIONS)).toEqual({
      region: 'eu-west-1',
      source: 'ip',
      because: '81.2.69.142: 51.5142, -0.0931; 465 km from eu-west-1',
    })
  })

  it('hides no failure of the database', () => {
    const broken = {
      get() {
        throw new Error('the file is gone')
      },
    }
    expect(() => regionFromIp('10.0.0.1', broken, REGIONS)).toThrow('the file is gone')
  })
})
