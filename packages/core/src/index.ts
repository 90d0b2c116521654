export { type Coverage, coverageOf, type Forks } from './forks.ts'
export {
  ATTRIBUTE_PATTERN,
  DEFAULT_LIMITS,
  type Limits,
  NAME_PATTERN,
  RESERVED_ATTRIBUTES,
} from './limits.ts'
export {
  comparePositions,
  formatPosition,
  laterPosition,
  ORIGIN,
  type Position,
  parsePosition,
  samePosition,
} from './position.ts'
export { isReason, type Reason, STATUS, STATUS_OF_REASON, type StatusName, statusName } from './reason.ts'
export { type Coordinates, coordinatesOf } from './region-coordinates.ts'
export { distanceKm, isPlace, nearestRegion } from './region-distance.ts'
export {
  decodeToken,
  encodeToken,
  filterToken,
  InvalidTokenError,
  mergeTokens,
  positionsOf,
  type SessionToken,
  tokenCovers,
  tokenFromString,
  tokenToString,
} from './session-token.ts'
