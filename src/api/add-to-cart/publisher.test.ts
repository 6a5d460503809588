import { describe, expect, it } from 'vitest'
import { BrokerUnavailableError } from '../../broker/broker.ts'
import { createStubBroker } from '../../../test/support/stub-broker.ts'
import { createPublisher } from './publisher.ts'

/** Makes ticks: deferred tasks run when the test ends the tick. */
function createTicks() {
  const tasks: (() => void)[] = []
  return {
    defer: (task: () => void) => void tasks.push(task),
    async turn() {
      for (const task of tasks.splice(0)) task()
      await Promise.resolve()
    },
  }
}

function open() {
  const broker = createStubBroker()
  const ticks = createTicks()
  return { broker, ticks, publisher: createPublisher(broker, ticks.defer) }
}

const body = (text: string): Buffer => Buffer.from(text)
const unexpected = (error: unknown): void => {
  throw error
}

describe('the publisher', () => {
  it('sends what came in one tick together: one call per topic, in the order of arrival', async () => {
    const { broker, ticks, publisher } = open()
    publisher.publish('a', body('1'), unexpected)
    publisher.publish('b', body('2'), unexpected)
    publisher.publish('a', body('3'), unexpected)
    expect(broker.published).toEqual([])
    await ticks.turn()
    expect(broker.published).toEqual([
      { topic: 'a', bodies: [body('1'), body('3')] },
      { topic: 'b', bodies: [body('2')] },
    ])
  })

  it('does not wait for the broker’s answer before sending the next tick’s', async () => {
    const { broker, ticks, publisher } = open()
    broker.answer = () => new Promise(() => undefined)
    publisher.publish('a', body('1'), unexpected)
    await ticks.turn()
    publisher.publish('a', body('2'), unexpected)
    await ticks.turn()
    expect(broker.published).toHaveLength(2)
  })

  it('sends at most a thousand at once', async () => {
    const { broker, ticks, publisher } = open()
    for (let count = 0; count < 2_500; count += 1) publisher.publish('a', body('x'), unexpected)
    for (let tick = 0; tick < 5; tick += 1) await ticks.turn()
    expect(broker.published.map(({ bodies }) => bodies.length)).toEqual([1_000, 1_000, 500])
  })

  it('tells everybody of a topic that the broker did not answer, and nobody else', async () => {
    const { broker, ticks, publisher } = open()
    const failures = [new BrokerUnavailableError('gone')]
    broker.answer = () => {
      const failure = failures.shift()
      return failure === undefined ? Promise.resolve() : Promise.reject(failure)
    }
    const told: string[] = []
    for (const [index, topic] of ['bad', 'bad', 'good'].entries()) {
      publisher.publish(topic, body('x'), (error) => told.push(`${index} ${String(error)}`))
    }
    await ticks.turn()
    const failure = 'BrokerUnavailableError: gone'
    expect(told).toEqual([`0 ${failure}`, `1 ${failure}`])
    publisher.publish('bad', body('y'), unexpected)
    await ticks.turn()
    expect(broker.published).toHaveLength(3)
  })

  it('passes on what the broker throws at once', async () => {
    const { broker, ticks, publisher } = open()
    broker.answer = () => {
      throw new RangeError('not a topic')
    }
    const told: unknown[] = []
    publisher.publish('a', body('x'), (error) => told.push(error))
    await ticks.turn()
    expect(told).toEqual([new RangeError('not a topic')])
  })
})
