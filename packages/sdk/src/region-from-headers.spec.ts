import { describe, expect, it } from 'vitest'
import { regionFromHeaders } from './region-from-headers.ts'
import { regionFromLocation } from './region-from-location.ts'

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
    [{ 'x-nf-geo': 'bnVsbA==' }],
    [{ 'fly-region': 'constructor' }],
    [{ 'x-country': undefined }],
  ])('%j says nothing', (headers) => {
    expect(regionFromHeaders(headers, REGIONS)).toBeUndefined()
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
