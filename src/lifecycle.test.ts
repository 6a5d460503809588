import { setImmediate as endOfTick } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { createLifecycle, type Service } from './lifecycle.ts'
import { createLogger } from './logger.ts'
import { createFakeClock, type FakeClock } from '../test/support/fake-clock.ts'

const never = new Promise<void>(() => undefined)

function gate() {
  let open = (): void => undefined
  const promise = new Promise<void>((resolve) => {
    open = resolve
  })
  return {
    promise,
    open: () => {
      open()
    },
  }
}

describe('the lifecycle', () => {
  let clock: FakeClock
  let events: string[]

  function service(name: string, behaviour: Partial<Omit<Service, 'name'>> = {}): Service {
    return {
      name,
      start() {
        events.push(`start ${name}`)
        return behaviour.start?.() ?? Promise.resolve()
      },
      stop() {
        events.push(`stop ${name}`)
        return behaviour.stop?.() ?? Promise.resolve()
      },
    }
  }

  function lifecycle(...services: readonly Service[]): Service {
    const limits = { stopTimeoutMs: 1_000, totalStopTimeoutMs: 1_500 }
    return createLifecycle({ services, clock, logger: createLogger('silent', {}), ...limits })
  }

  async function pass(ms: number): Promise<void> {
    await endOfTick()
    clock.advance(ms)
    await endOfTick()
  }

  beforeEach(() => {
    clock = createFakeClock()
    events = []
  })

  it('starts in order, each after the one before works, and stops in reverse', async () => {
    const slow = gate()
    const all = lifecycle(service('a', { start: () => slow.promise }), service('b'))
    const starting = all.start()
    await endOfTick()
    expect(events).toEqual(['start a'])
    slow.open()
    await starting
    await all.stop()
    expect(events).toEqual(['start a', 'start b', 'stop b', 'stop a'])
  })

  it('starts once and stops once, however often it is told', async () => {
    const all = lifecycle(service('a'))
    await Promise.all([all.start(), all.start()])
    await all.start()
    await Promise.all([all.stop(), all.stop()])
    await all.stop()
    expect(events).toEqual(['start a', 'stop a'])
  })

  it('unwinds a failed start, the failed service included, and says why it failed', async () => {
    const fails = service('b', { start: () => Promise.reject(new Error('no port')) })
    const all = lifecycle(service('a'), fails, service('c'))
    await expect(all.start()).rejects.toThrow('no port')
    expect(events).toEqual(['start a', 'start b', 'stop b', 'stop a'])
  })

  it('starts nothing further when stopped while starting', async () => {
    const slow = gate()
    const all = lifecycle(service('a'), service('b', { start: () => slow.promise }), service('c'))
    const starting = expect(all.start()).rejects.toThrow('stopped while starting')
    await endOfTick()
    const stopping = all.stop()
    slow.open()
    await stopping
    await starting
    expect(events).toEqual(['start a', 'start b', 'stop b', 'stop a'])
  })

  it('stops the last service only after it has started, and does not call that a start', async () => {
    const slow = gate()
    const all = lifecycle(service('a', { start: () => slow.promise }))
    const starting = expect(all.start()).rejects.toThrow('stopped while starting')
    const stopping = all.stop()
    await endOfTick()
    expect(events).toEqual(['start a'])
    slow.open()
    await stopping
    await starting
    expect(events).toEqual(['start a', 'stop a'])
  })

  it('goes on stopping when a service fails to stop', async () => {
    const all = lifecycle(
      service('a'),
      service('b', { stop: () => Promise.reject(new Error('stuck')) }),
    )
    await all.start()
    await all.stop()
    expect(events.slice(2)).toEqual(['stop b', 'stop a'])
  })

  it('waits for a service no longer than its deadline', async () => {
    const all = lifecycle(service('a'), service('b', { stop: () => never }))
    await all.start()
    const stopping = all.stop()
    await pass(999)
    expect(events).not.toContain('stop a')
    await pass(1)
    await stopping
    expect(events).toContain('stop a')
  })

  it('gives all services together no longer than the deadline of all', async () => {
    const stuck = { stop: () => never }
    const all = lifecycle(service('a', stuck), service('b', stuck), service('c', stuck))
    await all.start()
    const began = clock.monotonic()
    const stopping = all.stop()
    await pass(1_000)
    expect(events).toContain('stop b')
    await pass(499)
    expect(events).not.toContain('stop a')
    await pass(1)
    expect(events).toContain('stop a')
    await pass(1)
    await stopping
    expect(clock.monotonic() - began).toBeLessThanOrEqual(1_501)
  })

  it('leaves no timer behind', async () => {
    const all = lifecycle(service('a'), service('b'))
    await all.start()
    await all.stop()
    expect(clock.pending()).toBe(0)
  })
})
