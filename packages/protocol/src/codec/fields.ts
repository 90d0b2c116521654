/** Numbers of `Call`'s requests. */
export const CALL_FIELD = {
  ...{ get: 5, getMany: 6, set: 7, setMany: 8, delete: 9, search: 10, getChunks: 11, lookup: 12 },
} as const

/** Numbers of `Reply`'s results. */
export const REPLY_FIELD = {
  ...{ error: 2, get: 3, getMany: 4, set: 5, setMany: 6, delete: 7, search: 8, getChunks: 9, lookup: 10 },
} as const

/** Numbers of a `ForwardCall`'s request and a `ForwardReply`'s response: frames of the same layout, between sidecars. */
export const FORWARD_FIELD = { call: 12, reply: 10 } as const
