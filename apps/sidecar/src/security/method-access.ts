/**
 * What each RPC does, and to what: the one place that says which rights it needs. A method that isn't here may be called by
 * nobody once callers are asked who they are.
 */
import type { DescMethod } from '@bufbuild/protobuf'

/** What a principal may be allowed in a namespace. None of them includes another. */
export const ACTIONS = ['read', 'write', 'admin'] as const

export type Action = (typeof ACTIONS)[number]

/**
 * `namespace`: it needs the action in the namespace that the request names. `cluster`: in every namespace. `anyone`:
 * whoever is known; the answer holds what they may see. `calls`: whoever is known; each of the calls in it is looked at
 * for itself. `peers`: other sidecars alone. `nobody`: it is refused.
 */
export type MethodAccess =
  | { readonly scope: 'namespace' | 'cluster'; readonly action: Action }
  | { readonly scope: 'anyone' | 'calls' | 'peers' | 'nobody' }

const READ: MethodAccess = { scope: 'namespace', action: 'read' }
const WRITE: MethodAccess = { scope: 'namespace', action: 'write' }
const ADMIN: MethodAccess = { scope: 'namespace', action: 'admin' }
const CLUSTER_ADMIN: MethodAccess = { scope: 'cluster', action: 'admin' }
const ANYONE: MethodAccess = { scope: 'anyone' }
const PEERS: MethodAccess = { scope: 'peers' }
const NOBODY: MethodAccess = { scope: 'nobody' }

const METHODS: Readonly<Record<string, Readonly<Record<string, MethodAccess>>>> = {
  'perigee.v1.CacheService': {
    Get: READ,
    GetMany: READ,
    Set: WRITE,
    SetMany: WRITE,
    Delete: WRITE,
    ListKeys: READ,
    ClearNamespace: WRITE,
  },
  'perigee.v1.SearchService': {
    CreateIndex: ADMIN,
    GetIndex: READ,
    ListIndexes: READ,
    DropIndex: ADMIN,
    PutAlias: ADMIN,
    DeleteAlias: ADMIN,
    UpsertChunks: WRITE,
    DeleteChunks: WRITE,
    GetChunks: READ,
    ListChunks: READ,
    Search: READ,
  },
  'perigee.v1.SemanticCacheService': { Lookup: READ, Store: WRITE, Invalidate: WRITE },
  'perigee.v1.ClusterService': {
    GetStatus: ANYONE,
    WatchStatus: ANYONE,
    ProbeLag: CLUSTER_ADMIN,
    VerifyIndex: ADMIN,
    RebuildIndex: ADMIN,
    Promote: CLUSTER_ADMIN,
  },
  'perigee.v1.MultiplexService': { Multiplex: { scope: 'calls' } },
  'perigee.internal.v1.PeerService': {
    Forward: PEERS,
    ForwardMany: PEERS,
    ExchangeClock: PEERS,
    GetRegion: PEERS,
    WriteProbe: PEERS,
    // An operator's, by `perigee init`.
    Initialize: CLUSTER_ADMIN,
    MakeWay: PEERS,
  },
}

/** What a method needs. */
export function accessOf(method: DescMethod): MethodAccess {
  const methods = METHODS[method.parent.typeName]
  return (methods && Object.hasOwn(methods, method.name) && methods[method.name]) || NOBODY
}
