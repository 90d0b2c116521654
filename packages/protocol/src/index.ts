export { serialisedFileDescriptors } from './file-descriptors.ts'
export * from './gen/perigee/internal/v1/peer_pb.ts'
export * from './gen/perigee/v1/cache_pb.ts'
export * from './gen/perigee/v1/cluster_pb.ts'
export * from './gen/perigee/v1/common_pb.ts'
export * from './gen/perigee/v1/multiplex_pb.ts'
export * from './gen/perigee/v1/search_pb.ts'
export * from './gen/perigee/v1/semantic_pb.ts'
export {
  type GrpcServiceDefinition,
  type GrpcServiceHandlers,
  grpcServiceDefinition,
} from './service-definition.ts'
export {
  decodeStatusDetails,
  ERROR_DOMAIN,
  encodeStatusDetails,
  type FieldViolation,
  STATUS_DETAILS_KEY,
  type StatusDetails,
} from './status-details.ts'
