import { describe, expect, it } from 'vitest'
import { regionChoiceFromHeaders, regionFromHeaders } from './region-from-headers.ts'
import { regionChoiceFromLocation, regionFromLocation } from './region-from-location.ts'

const REGIONS = ['us-east-1', 'eu-west-1', 'ap-southeast-1']

describe('the region from headers', () => {
  it.each([
    [{ 'CloudFront-Viewer-Latitude': '48.85', 'CloudFront-Viewer-Longitude': '2.35' }, 'eu-west-1'],
    [{ 'cloudfront-viewer-country': 'JP' }, 'ap-southeast-1'],
    [{ 'cf-iplatitude': '-6.2', 'cf-iplongitude': '106.8' }, 'ap-southeast-1'],
    [{ 'cf-ipcountry': 'CA' }, 'us-east-1'],
    [{ 'x-vercel-ip-latitude': '40.7', 'x-vercel-ip-longitude': '-74.0' }, 'us-east-1'],
    [{ 'x-appengine-citylatlong': '52.52,13.40' }, 'eu-west-1'],
    [{ 'x-client-geo-location': 'US,Mountain View,37.4,-122.1' }, 'us-east-1'],
    [
      { 'x-akamai-edgescape': 'georegion=1,country_code=SG,lat=1.29,long=103.85,timezone=GMT+8' },
      'ap-southeast-1',
    ],
    [{ 'x-nf-geo': Buffer.from('{"latitude":53.3,"longitude":-6.2}').toString('base64') }, 'eu-west-1'],
    [{ 'fly-region': 'syd' }, 'ap-southeast-1'],
    [{ 'cf-ray': '230b030023ae2822-SIN', 'cf-ipcountry': 'XX' }, 'ap-southeast-1'],
    [{ 'x-vercel-id': 'fra1::iad1::8xqzl-1700000000000-0123456789ab' }, 'eu-west-1'],
    [{ 'x-client-geo-latlong': '1.35,103.82' }, 'ap-southeast-1'],
    [{ 'x-client-geo-location': 'FR,Paris' }, 'eu-west-1'],
    [{ 'x-akamai-edgescape': 'georegion=1,country_code=JP,lat=,long=' }, 'ap-southeast-1'],
    [{ 'x-nf-geo': Buffer.from('{"country":{"code":"BR"}}').toString('base64') }, 'us-east-1'],
    [{ 'cdn-requestcountrycode': 'PL' }, 'eu-west-1'],
    [{ 'fastly-geoip-countrycode': 'MX' }, 'us-east-1'],
    [{ 'x-geo-latitude': '-33.868', 'x-geo-longitude': '151.209' }, 'ap-southeast-1'],
    [{ 'x-country-code': ['de'] }, 'eu-west-1'],
    // The user's place says more than the edge's, and that more than the country.
    [
      { 'fly-region': 'iad', 'cf-ipcountry': 'US', 'cf-iplatitude': '53', 'cf-iplongitude': '-6' },
      'eu-west-1',
    ],
  ] as const)('%j is %s', (headers, region) => {
    expect(regionFromHeaders(headers, REGIONS)).toBe(region)
    const single = Object.entries(headers).map(([name, value]) => [name, String(value)] as [string, string])
    expect(regionFromHeaders(new Headers(single), REGIONS)).toBe(region)
  })

  it.each([
    [{}],
    [{ 'cf-ipcountry': 'XX' }],
    [{ 'cf-ipcountry': '__proto__' }],
    [{ 'cf-iplatitude': '91', 'cf-iplongitude': '0' }],
    [{ 'cf-iplatitude': 'NaN', 'cf-iplongitude': '1e3' }],
    [{ 'cf-iplatitude': '48.8' }],
    [{ 'x-appengine-citylatlong': '0.000000,0.000000' }],
    [{ 'x-appengine-citylatlong': ',' }],
    [{ 'x-akamai-edgescape': 'lat=,long' }],
    [{ 'x-nf-geo': 'bm9wZQ==' }],
    [{ 'x-nf-geo': Buffer.from('{"latitude":{},"longitude":[1],"country":7}').toString('base64') }],
    [{ 'x-nf-geo': Buffer.from('{"country":{"code":["DE"]}}').toString('base64') }],
    [{ 'x-nf-geo': 'e30'.repeat(100_000) }],
    [{ 'cf-ray': '230b030023ae2822-XXX' }],
    [{ 'cf-ray': 'SIN' }],
    [{ 'cf-ray': '230b030023ae2822-SIN; DROP' }],
    [{ 'cf-ipcountry': 'T1' }],
    [{ 'x-appengine-country': 'ZZ' }],
    [{ 'x-vercel-id': '::::' }],
    [{ 'x-vercel-id': 'dev1::abc' }],
    [{ 'cf-iplatitude': '1, 2', 'cf-iplongitude': '3, 4' }],
    [{ 'cf-iplatitude': '0x10', 'cf-iplongitude': '1e1' }],
    [{ 'cf-iplatitude': '٤٨', 'cf-iplongitude': '٢' }],
    [{ 'cf-iplatitude': [], 'cf-iplongitude': [] }],
    [{ 'x-client-geo-location': ','.repeat(10_000) }],
    [{ 'x-geo-latitude': '0.000', 'x-geo-longitude': '0.000' }],
    [{ 'x-nf-geo': 'bnVsbA==' }],
    [{ 'fly-region': 'constructor' }],
    [{ 'x-country': undefined }],
  ])('%j says nothing', (headers) => {
    expect(regionFromHeaders(headers, REGIONS)).toBeUndefined()
  })
})

describe('hostile headers', () => {
  const names = [
    'cf-iplatitude',
    'cf-iplongitude',
    'cf-ray',
    'cf-ipcountry',
    'x-nf-geo',
    'x-akamai-edgescape',
    'x-client-geo-location',
    'x-vercel-id',
    'fly-region',
  ]

  it.each<[string, unknown]>([
    ['numbers', 5],
    ['null', null],
    ['lists of numbers', [48, 2]],
    ['objects', { toString: () => '48' }],
    ['symbols', Symbol('48')],
  ])('that are %s say nothing, though types forbid them', (_, value) => {
    const headers = Object.fromEntries(names.map((name) => [name, value]))
    expect(regionFromHeaders(headers as Record<string, string>, REGIONS)).toBeUndefined()
    const get = { get: () => value }
    expect(regionFromHeaders(get as unknown as Headers, REGIONS)).toBeUndefined()
  })

  it('never throw, and name a region that exists or none', () => {
    const pieces = [
      '48.1',
      '-',
      ',',
      '=',
      '::',
      'lat',
      'DE',
      '\0',
      '\u{1f600}',
      '999',
      'e30=',
      '"',
      '{',
      'SIN',
      ' ',
    ]
    const text = () =>
      Array.from(
        { length: Math.ceil(Math.random() * 8) },
        () => pieces[Math.floor(Math.random() * pieces.length)],
      ).join('')
    for (let i = 0; i < 5_000; i++) {
      const headers = Object.fromEntries(names.map((name) => [name, text()]))
      const region = regionFromHeaders(headers, REGIONS)
      expect([...REGIONS, undefined], JSON.stringify(headers)).toContain(region)
    }
  })
})

describe('the choice of a region', () => {
  it('tells what said so', () => {
    expect(regionChoiceFromHeaders({ 'cf-iplatitude': '48.85', 'cf-iplongitude': '2.35' }, REGIONS)).toEqual({
      region: 'eu-west-1',
      source: 'headers',
      because: 'cf-iplatitude, cf-iplongitude: 48.85, 2.35; 781 km from eu-west-1',
    })
    expect(regionChoiceFromHeaders({ 'cf-ray': '230b030023ae2822-SIN' }, REGIONS)?.because).toBe(
      'cf-ray is SIN: 1.4, 104; 21 km from ap-southeast-1',
    )
    expect(regionChoiceFromHeaders({}, REGIONS)).toBeUndefined()
    const places = { mars: { latitude: 0, longitude: 1 } }
    expect(regionChoiceFromLocation({ latitude: 0, longitude: 0 }, ['mars'], { places })).toMatchObject({
      region: 'mars',
      source: 'location',
    })
  })
})

describe('the region from a location', () => {
  it('is the nearest one by great circle, across the date line too', () => {
    expect(regionFromLocation({ latitude: 65, longitude: -179 }, ['us-east-1', 'ap-northeast-1'])).toBe(
      'ap-northeast-1',
    )
  })

  it('may be of regions with places of their own', () => {
    const places = { oslo: { latitude: 59.9, longitude: 10.8 }, 'eu-west-1': { latitude: -80, longitude: 0 } }
    const bergen = { latitude: 60.4, longitude: 5.3 }
    expect(regionFromLocation(bergen, ['eu-west-1', 'oslo', 'nowhere'], { places })).toBe('oslo')
    expect(regionFromLocation(bergen, ['nowhere'])).toBeUndefined()
    expect(regionFromLocation({ latitude: Number.NaN, longitude: 0 }, REGIONS)).toBeUndefined()
  })
})
