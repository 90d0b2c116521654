/** gRPC status codes by name, numbered as gRPC numbers them. */
export const STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const

/** The name of a gRPC status code. */
export type StatusName = keyof typeof STATUS

/** The name of a status number; `UNKNOWN` for one gRPC doesn't have. */
export function statusName(code: number): StatusName {
  for (const [name, number] of Object.entries(STATUS)) if (number === code) return name as StatusName
  return 'UNKNOWN'
}

/** Every reason an answer can name in `google.rpc.ErrorInfo`, with the status it comes with. */
export const STATUS_OF_REASON = {
  INVALID_FIELD: 'INVALID_ARGUMENT',
  DIMENSION_MISMATCH: 'INVALID_ARGUMENT',
  TOO_LARGE: 'INVALID_ARGUMENT',
  INVALID_TOKEN: 'INVALID_ARGUMENT',
  MODEL_MISMATCH: 'FAILED_PRECONDITION',
  NOT_PRIMARY: 'FAILED_PRECONDITION',
  INDEX_IN_USE: 'FAILED_PRECONDITION',
  WOULD_LOSE_WRITES: 'FAILED_PRECONDITION',
  INDEX_NOT_FOUND: 'NOT_FOUND',
  ALIAS_NOT_FOUND: 'NOT_FOUND',
  INDEX_EXISTS: 'ALREADY_EXISTS',
  PRECONDITION_FAILED: 'ABORTED',
  SOURCES_CHANGED: 'ABORTED',
  BEHIND_SESSION: 'UNAVAILABLE',
  NO_PRIMARY: 'UNAVAILABLE',
  OUTCOME_UNKNOWN: 'UNAVAILABLE',
  DATA_UNAVAILABLE: 'UNAVAILABLE',
  INDEX_BUILDING: 'UNAVAILABLE',
  LOST_HISTORY: 'DATA_LOSS',
  OVERLOADED: 'RESOURCE_EXHAUSTED',
  OUT_OF_MEMORY: 'RESOURCE_EXHAUSTED',
  UNAUTHENTICATED: 'UNAUTHENTICATED',
  NOT_ALLOWED: 'PERMISSION_DENIED',
  UNKNOWN_FIELD: 'UNIMPLEMENTED',
  NOT_YET: 'UNIMPLEMENTED',
} as const satisfies Record<string, StatusName>

/** A reason of the `perigee` domain. */
export type Reason = keyof typeof STATUS_OF_REASON

/** Whether a text is one of the reasons this version knows. */
export function isReason(text: string): text is Reason {
  return Object.hasOwn(STATUS_OF_REASON, text)
}
