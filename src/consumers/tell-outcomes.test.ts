import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { BrokerUnavailableError } from '../broker/broker.ts'
import { createLogger } from '../logger.ts'
import { createPlainCodec } from '../messaging/envelope.ts'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { createMessage } from '../../test/support/receiving-broker.ts'
import { createStubBroker } from '../../test/support/stub-broker.ts'
import { createOutcomeTeller, type Decided } from './tell-outcomes.ts'

const retryDelayMs = 250

it('nobody overtakes an outcome that fails in the very moment the others have waited for', async () => {
  const clock = createFakeClock()
  const broker = createStubBroker()
  const answers: PromiseWithReject[] = []
  broker.answer = () => {
    const answer = withReject()
    answers.push(answer)
    return answer.promise
  }
  const options = { broker, codec: createPlainCodec(), clock, logger: createLogger('silent', {}) }
  const teller = createOutcomeTeller({ ...options, maxAgeMs: 10_000, nodeId: 'worker-1' })
  teller.tell([decided('early')])
  teller.tell([decided('late')])
  answers[0]?.reject(new BrokerUnavailableError('away'))
  await turn()
  clock.advance(retryDelayMs)
  answers[1]?.reject(new BrokerUnavailableError('away'))
  await turn()
  expect(broker.published).toHaveLength(2)
  clock.advance(retryDelayMs)
  await turn()
  expect(broker.published).toHaveLength(4)
})

interface PromiseWithReject {
  readonly promise: Promise<void>
  readonly reject: (error: Error) => void
}

function withReject(): PromiseWithReject {
  let reject: PromiseWithReject['reject'] = () => undefined
  const promise = new Promise<void>((_, fail) => {
    reject = fail
  })
  return { promise, reject }
}

function decided(idempotencyKey: string): Decided {
  const message = createMessage(Buffer.alloc(0), () => undefined)
  const requestId = '0197a1b2-0000-7000-8000-000000000001'
  const shopper = { userId: 1, userUid: 'f'.repeat(32) }
  const wish = { ...shopper, flashSaleId: 1, productId: 1, quantity: 1, sentAt: 0 }
  return {
    message,
    request: { ...wish, requestId, idempotencyKey, nodeId: 'api-1' },
    outcome: { kind: 'refused', refusal: 'sold_out' },
  }
}
