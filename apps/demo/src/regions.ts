/** The demo's regions; the first is the primary. */
export const regions = ['us-east-1', 'eu-west-1', 'ap-southeast-1'] as const
export type Region = (typeof regions)[number]

export const primary: Region = 'us-east-1'
export const replicas: readonly Region[] = regions.filter((region) => region !== primary)

/** The real distance from us-east-1, one way, in milliseconds. */
export const distanceMs: Record<Region, number> = {
  'us-east-1': 0,
  'eu-west-1': 35,
  'ap-southeast-1': 105,
}

/** What the demo holds its regions to. */
export const promised = {
  cacheP50Ms: 5,
  searchP50Ms: 15,
  /** Of the replication lag, above the one-way distance. */
  lagP50AboveDistanceMs: 10,
}
