import { describe, expect, it } from 'vitest'
import { BrokerUnavailableError } from '../broker.ts'
import { createNsqChannels } from './channels.ts'
import type { NsqdHttp } from './http.ts'

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** An nsqd that writes down what it is asked and answers as told. */
function createNsqd(answer: () => Promise<void> = () => Promise.resolve()) {
  const asked: string[] = []
  const nsqd: NsqdHttp = {
    createChannel(topic, channel) {
      asked.push(`${topic}/${channel}`)
      return answer()
    },
    deleteTopic(topic) {
      asked.push(`delete ${topic}`)
      return answer()
    },
    stats: () => Promise.resolve([]),
  }
  return { nsqd, asked }
}

const never = (): Promise<void> => new Promise(() => undefined)
const refuse = (): Promise<void> => Promise.reject(new BrokerUnavailableError('gone'))

describe('channels on several nsqds', () => {
  it('wait for the nsqd that is published to, and for no silent one', async () => {
    const own = createNsqd()
    const silent = createNsqd(never)
    const channels = createNsqChannels([silent.nsqd, own.nsqd], () => 1)
    for (const topic of ['a', 'b', 'c']) await channels.create(topic, 'x')
    await channels.deleteTopic('a')
    expect(own.asked).toEqual(['a/x', 'b/x', 'c/x', 'delete a'])
    expect(silent.asked).toEqual(['a/x'])
  })

  it('are made on the others too, one by one', async () => {
    const [own, other] = [createNsqd(), createNsqd()]
    const channels = createNsqChannels([own.nsqd, other.nsqd], () => 0)
    await Promise.all([channels.create('a', 'x'), channels.create('b', 'x')])
    await tick()
    expect(other.asked).toEqual(['a/x', 'b/x'])
  })

  it('missing on an nsqd that failed are made before it is published to', async () => {
    let answer = refuse
    const own = createNsqd()
    const other = createNsqd(() => answer())
    const channels = createNsqChannels([own.nsqd, other.nsqd], () => 0)
    await Promise.all([channels.create('a', 'x'), channels.create('b', 'x')])
    await tick()
    answer = () => Promise.resolve()
    other.asked.length = 0
    await channels.ensure(1)
    expect(other.asked.sort()).toEqual(['a/x', 'b/x'])
  })

  it('are not confirmed without an nsqd to publish to, nor when it fails', async () => {
    const failing = createNsqd(refuse)
    let position: number | undefined = 0
    const channels = createNsqChannels([failing.nsqd], () => position)
    await expect(channels.create('a', 'x')).rejects.toThrow(BrokerUnavailableError)
    position = undefined
    await expect(channels.create('a', 'x')).rejects.toThrow('no nsqd to publish to')
  })

  it('are not confirmed when publishing moves to another nsqd meanwhile', async () => {
    let position = 0
    const moving = createNsqd(() => {
      position = 1
      return Promise.resolve()
    })
    const channels = createNsqChannels([moving.nsqd, createNsqd().nsqd], () => position)
    await expect(channels.create('a', 'x')).rejects.toThrow('moved to another nsqd')
  })
})
