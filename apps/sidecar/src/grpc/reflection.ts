import type { DescFile } from '@bufbuild/protobuf'
import type { Server, ServiceDefinition } from '@grpc/grpc-js'
import { ReflectionService } from '@grpc/reflection'
import {
  file_google_rpc_error_details,
  file_grpc_health_v1_health,
  serialisedFileDescriptors,
} from '@perigee/protocol'
import { refusingUnreadable } from './readable-requests.ts'
import { unhurried } from './unhurried.ts'

/** The methods that {@link addReflection} registers. */
export const REFLECTION_PATHS: readonly string[] = ['v1', 'v1alpha'].map(
  (version) => `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
)

type PackageDefinition = ConstructorParameters<typeof ReflectionService>[0]

/**
 * Registers `grpc.reflection.v1` and `v1alpha`, which describe the given files and what they import, the details of
 * errors, health (proto-loader's own description of its maps is one that grpcurl refuses), and themselves.
 */
export function addReflection(server: Pick<Server, 'addService'>, files: readonly DescFile[]): void {
  const described = serialisedFileDescriptors([
    ...files,
    file_google_rpc_error_details,
    file_grpc_health_v1_health,
  ])
  const reflection = new ReflectionService(packageOf([...described, ...ownFiles()]))
  const readable = refusingUnreadable(server)
  const slowed: Pick<Server, 'addService'> = {
    addService: (definition, implementation) => readable.addService(definition, unhurried(implementation)),
  }
  reflection.addToServer(slowed as Server)
}

/** `@grpc/reflection` takes proto-loader's packages, and of those reads the descriptors only. */
function packageOf(files: readonly Uint8Array[]): PackageDefinition {
  const fileDescriptorProtos = files.map((file) => Buffer.from(file))
  return { files: { fileDescriptorProtos } } as unknown as PackageDefinition
}

function ownFiles(): Uint8Array[] {
  const files: Uint8Array[] = []
  new ReflectionService({}).addToServer({
    addService: (definition) => {
      files.push(...filesOf(definition))
    },
  })
  return files
}

/** proto-loader leaves the files on the message types of each method. */
function filesOf(definition: ServiceDefinition): Uint8Array[] {
  return Object.values(definition).flatMap((method) => {
    const { requestType } = method as unknown as { requestType: { fileDescriptorProtos: Uint8Array[] } }
    return requestType.fileDescriptorProtos
  })
}
