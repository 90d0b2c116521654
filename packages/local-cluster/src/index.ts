export type { Address } from './address.ts'
export {
  type ClusterTopology,
  defaultBasePort,
  defaultRegions,
  type LocalClusterOptions,
} from './cluster-options.ts'
export type { ClusterState, ProcessName, RegionState, SidecarState } from './cluster-state.ts'
export { ControlError, type DnsState, type LinkState } from './control-server.ts'
export {
  type Credentials,
  loginUrl,
  readOrMakeCredentials,
  type UserName,
  userOf,
} from './credentials.ts'
export type { AofFate, RestartOptions } from './data-loss.ts'
export { type DistanceMatrix, type Distances, parseDistances } from './distances.ts'
export { type DnsMode, type DnsService, type DnsSettings, trueDns } from './dns-fault.ts'
export type { Layout } from './layout.ts'
export type { LinkMode, LinkSettings } from './link.ts'
export { LocalCluster } from './local-cluster.ts'
export { dataRedisUsers, indexRedisUsers, sentinelUsers } from './redis-users.ts'
export { regionClockFile } from './region-clock.ts'
export type { SidecarVariant } from './sidecar-process.ts'
