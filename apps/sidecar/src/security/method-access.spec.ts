import type { DescMessage, DescMethod, DescService } from '@bufbuild/protobuf'
import * as protocol from '@perigee/protocol'
import { CacheService, PeerService } from '@perigee/protocol'
import { expect, it } from 'vitest'
import { accessOf } from './method-access.ts'

const services = Object.values<unknown>(protocol).filter(isService)
const methods: DescMethod[] = services
  .filter(({ typeName }) => typeName.startsWith('perigee.'))
  .flatMap((service) => service.methods)

/** Where a message names a namespace: `a.b.namespace`. */
function namespacesIn(message: DescMessage, path = '', above: readonly DescMessage[] = []): string[] {
  if (above.includes(message)) return []
  return message.fields.flatMap((field) => {
    const here = `${path}${field.name}`
    const inner = field.message ? namespacesIn(field.message, `${here}.`, [...above, message]) : []
    return /namespace/.test(field.name) ? [here, ...inner] : inner
  })
}

it('says of every method of every service what it needs, so that none is forgotten', () => {
  expect(methods.length).toBeGreaterThan(30)
  for (const method of methods) {
    expect(accessOf(method).scope, `${method.parent.typeName}/${method.name}`).not.toBe('nobody')
  }
})

it('knows every place where a request names a namespace', () => {
  for (const method of methods) {
    const { scope } = accessOf(method)
    const places = namespacesIn(method.input)
    // A new place, or one in a list, needs a way of its own to be looked at.
    if (scope === 'namespace') expect(places, method.name).toEqual(['namespace'])
    else if (scope !== 'calls') expect(places, method.name).toEqual([])
  }
})

it('needs more for what changes something than for what doesn’t', () => {
  for (const method of methods) {
    const access = accessOf(method)
    const reads = method.idempotency === 1
    if ('action' in access) expect(access.action === 'read', method.name).toBe(reads)
    else expect(reads || access.scope === 'peers' || access.scope === 'calls', method.name).toBe(true)
  }
})

it('refuses what isn’t in it', () => {
  const unknown = { parent: { typeName: CacheService.typeName }, name: 'toString' } as DescMethod
  expect(accessOf(unknown)).toEqual({ scope: 'nobody' })
  const other = { parent: { typeName: 'perigee.v1.NewService' }, name: 'Get' } as DescMethod
  expect(accessOf(other)).toEqual({ scope: 'nobody' })
  expect(accessOf(PeerService.method.forward)).toEqual({ scope: 'peers' })
})

function isService(value: unknown): value is DescService {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'service'
}
