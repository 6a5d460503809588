import type { Authorization } from '../provider.ts'
import { pushMethod } from './schema.ts'

/** The decision and the behaviour of the simulator for a payment method token. */
export interface TestMethod {
  readonly authorization: Authorization
  readonly behaviour: Behaviour
}

/**
 * `slow`: answers after `slowMs`. `silent_before`: never decides and never answers. `silent_after`:
 * decides, but never answers. `loses_answer`: decides, and the connection is gone. `answers_twice`:
 * decides and answers twice. `captures_late`: says "not yet" to captures for `slowMs`.
 * `loses_capture_answer`: captures, and the first answer is lost.
 */
export type Behaviour =
  | 'prompt'
  | 'slow'
  | 'silent_before'
  | 'silent_after'
  | 'loses_answer'
  | 'answers_twice'
  | 'captures_late'
  | 'loses_capture_answer'

const authorized: Authorization = { kind: 'authorized' }
const declined = (code: string): Authorization => ({ kind: 'declined', code })

export const captureLateMethod = 'pm_capture_late'
export const captureAnswerLostMethod = 'pm_capture_answer_lost'

/** The payment methods it knows. Any other is declined with `unknown_payment_method`. */
export const testMethods: ReadonlyMap<string, TestMethod> = new Map<string, TestMethod>([
  ['pm_ok', { authorization: authorized, behaviour: 'prompt' }],
  ['pm_declined', { authorization: declined('card_declined'), behaviour: 'prompt' }],
  ['pm_insufficient_funds', { authorization: declined('insufficient_funds'), behaviour: 'prompt' }],
  ['pm_slow', { authorization: authorized, behaviour: 'slow' }],
  ['pm_timeout_before', { authorization: authorized, behaviour: 'silent_before' }],
  ['pm_timeout_after', { authorization: authorized, behaviour: 'silent_after' }],
  ['pm_answer_lost', { authorization: authorized, behaviour: 'loses_answer' }],
  ['pm_answers_twice', { authorization: authorized, behaviour: 'answers_twice' }],
  [captureLateMethod, { authorization: authorized, behaviour: 'captures_late' }],
  [captureAnswerLostMethod, { authorization: authorized, behaviour: 'loses_capture_answer' }],
  [pushMethod, { authorization: { kind: 'pending' }, behaviour: 'prompt' }],
])

const unknownMethod: TestMethod = {
  authorization: declined('unknown_payment_method'),
  behaviour: 'prompt',
}

export const testMethod = (token: string): TestMethod => testMethods.get(token) ?? unknownMethod
