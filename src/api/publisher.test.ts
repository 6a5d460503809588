import { describe, expect, it } from 'vitest'
import { BrokerUnavailableError } from '../broker/broker.ts'
import { createStubBroker } from '../testing/stub-broker.ts'
import { createPublisher } from './publisher.ts'

/** Deferred tasks run when the test says the tick is over. */
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

describe('the publisher', () => {
  it('sends what came in one tick together: one call per topic, in the order of arrival', async () => {
    const { broker, ticks, publisher } = open()
    const sent = [
      publisher.publish('a', body('1')),
      publisher.publish('b', body('2')),
      publisher.publish('a', body('3')),
    ]
    expect(broker.published).toEqual([])
    await ticks.turn()
    expect(broker.published).toEqual([
      { topic: 'a', bodies: [body('1'), body('3')] },
      { topic: 'b', bodies: [body('2')] },
    ])
    await Promise.all(sent)
  })

  it('does not wait for the broker’s answer before sending the next tick’s', async () => {
    const { broker, ticks, publisher } = open()
    broker.answer = () => new Promise(() => undefined)
    void publisher.publish('a', body('1'))
    await ticks.turn()
    void publisher.publish('a', body('2'))
    await ticks.turn()
    expect(broker.published).toHaveLength(2)
  })

  it('sends at most a thousand at once', async () => {
    const { broker, ticks, publisher } = open()
    for (let index = 0; index < 2_500; index += 1) void publisher.publish('a', body('x'))
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
    const sent = ['bad', 'bad', 'good'].map((topic) => publisher.publish(topic, body('x')))
    const settled = Promise.allSettled(sent)
    await ticks.turn()
    const statuses = (await settled).map(({ status }) => status)
    expect(statuses).toEqual(['rejected', 'rejected', 'fulfilled'])
    const next = publisher.publish('bad', body('y'))
    await ticks.turn()
    await expect(next).resolves.toBeUndefined()
  })

  it('passes on what the broker throws at once', async () => {
    const { broker, ticks, publisher } = open()
    broker.answer = () => {
      throw new RangeError('not a topic')
    }
    const sent = publisher.publish('a', body('x'))
    const refused = expect(sent).rejects.toThrow(RangeError)
    await ticks.turn()
    await refused
  })
})
