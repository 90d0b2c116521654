import type { DescMethod } from '@bufbuild/protobuf'
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2'
import { refusal, type StatusError } from '../status-error.ts'
import { methodName, type ServiceRegistration } from './call.ts'

/** The answer of a method that the contract has and this version lacks. */
export function notYet(method: DescMethod): StatusError {
  return refusal(
    'NOT_YET',
    `${methodName(method)} isn't built yet; this version's README says what is. Nothing was changed.`,
  )
}

/** A service of the contract of which this version has nothing. */
export function notYetService(service: GenService<GenServiceMethods>): ServiceRegistration {
  return { service, handlers: {} }
}
