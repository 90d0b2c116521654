import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf'
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { Client, credentials } from '@grpc/grpc-js'
import { LocalCluster } from '@perigee/local-cluster'
import { CacheService, ClusterService, SearchService } from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// Field numbers of grpc.reflection.v1.ServerReflectionRequest and its answers.
const LIST_SERVICES = 7
const FILE_BY_NAME = 3
const FILE_OF_SYMBOL = 4
const FILES_ANSWER = 4
const SERVICES_ANSWER = 6

let cluster: LocalCluster
let client: Client

beforeAll(async () => {
  cluster = await LocalCluster.start({ regions: ['us-east-1'], sentinel: false })
  client = new Client(cluster.state().regions[0]?.grpc ?? '', credentials.createInsecure())
})

afterAll(async () => {
  client?.close()
  await cluster?.stop()
})

/** Asks one question of the reflection service, as grpcurl does. */
function ask(version: 'v1' | 'v1alpha', field: number, text: string): Promise<Buffer> {
  const question = new BinaryWriter().tag(field, WireType.LengthDelimited).string(text).finish()
  const same = (bytes: Buffer) => bytes
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`
  const call = client.makeBidiStreamRequest(path, same, same, { deadline: Date.now() + 5000 })
  return new Promise((resolve, reject) => {
    call.on('data', resolve)
    call.on('error', reject)
    call.write(Buffer.from(question))
    call.end()
  })
}

/** The values of one length-delimited field. */
function fieldsOf(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(bytes)
  const values: Uint8Array[] = []
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag()
    if (field === wanted && wire === WireType.LengthDelimited) values.push(reader.bytes())
    else reader.skip(wire, field)
  }
  return values
}

async function filesOf(field: number, text: string) {
  const answer = fieldsOf(await ask('v1', field, text), FILES_ANSWER)[0]
  if (!answer) throw new Error(`no files for ${text}`)
  return fieldsOf(answer, 1).map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes))
}

/** All that a tool would fetch to describe a symbol: its file, and each import by name, imports first. */
async function describeSymbol(symbol: string) {
  const [root] = await filesOf(FILE_OF_SYMBOL, symbol)
  if (!root) throw new Error(`no file has ${symbol}`)
  const files = new Map<string, typeof root>()
  const add = async (file: typeof root) => {
    if (files.has(file.name)) return
    for (const name of file.dependency) {
      const imported = (await filesOf(FILE_BY_NAME, name)).find((candidate) => candidate.name === name)
      if (!imported) throw new Error(`${file.name} imports ${name}, which nobody knows`)
      await add(imported)
    }
    files.set(file.name, file)
  }
  await add(root)
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [...files.values()] }))
}

describe('reflection', () => {
  it.each(['v1', 'v1alpha'] as const)('lists every service, by %s', async (version) => {
    const list = fieldsOf(await ask(version, LIST_SERVICES, ''), SERVICES_ANSWER)[0] ?? new Uint8Array()
    const names = fieldsOf(list, 1).map((service) => new TextDecoder().decode(fieldsOf(service, 1)[0]))
    expect(names).toEqual(
      expect.arrayContaining([
        'grpc.health.v1.Health',
        'perigee.v1.CacheService',
        'perigee.v1.ClusterService',
        'perigee.v1.MultiplexService',
        'perigee.v1.SearchService',
        'perigee.v1.SemanticCacheService',
      ]),
    )
  })

  it.each([CacheService, ClusterService, SearchService])(
    'describes all methods of $typeName',
    async (service) => {
      const described = (await describeSymbol(service.typeName)).getService(service.typeName)
      expect(described?.methods.map(shape)).toEqual(service.methods.map(shape))
    },
  )

  it('describes health in a way that tools accept', async () => {
    const described = (await describeSymbol('grpc.health.v1.Health')).getService('grpc.health.v1.Health')
    expect(described?.methods.map(({ name }) => name).sort()).toEqual(['Check', 'List', 'Watch'])
  })

  it.each(['google.rpc.ErrorInfo', 'google.rpc.BadRequest', 'google.rpc.RetryInfo'])(
    'describes the error detail %s',
    async (type) => {
      expect((await describeSymbol(type)).getMessage(type)?.fields).not.toHaveLength(0)
    },
  )
})

function shape({ name, input, output, methodKind }: (typeof SearchService.methods)[number]) {
  const fields = (message: { fields: readonly { name: string; number: number }[] }) =>
    message.fields.map((field) => `${field.number} ${field.name}`)
  return { name, methodKind, input: fields(input), output: fields(output) }
}
