import { z } from 'zod'
import { BrokerUnavailableError } from '../broker.ts'

/** nsqd's and nsqlookupd's HTTP side. Every request has a deadline and every failure one name. */

const requestTimeoutMs = 1_000

const channelStatsSchema = z.object({
  channel_name: z.string(),
  depth: z.number(),
  in_flight_count: z.number(),
  deferred_count: z.number(),
})
const topicStatsSchema = z.object({
  topic_name: z.string(),
  depth: z.number(),
  channels: z.array(channelStatsSchema).nullable(),
})
const statsSchema = z.object({ topics: z.array(topicStatsSchema).nullable() })
const lookupSchema = z.object({
  producers: z.array(
    z.object({ broadcast_address: z.string(), tcp_port: z.int().min(1).max(65_535) }),
  ),
})

export interface TopicStats {
  readonly topic: string
  /** Not yet copied to the channels. */
  readonly depth: number
  readonly channels: readonly ChannelStats[]
}

export interface ChannelStats {
  readonly channel: string
  /** Queued, handed out or waiting to be delivered again. */
  readonly depth: number
}

/** One nsqd. Every method may throw BrokerUnavailableError. */
export interface NsqdHttp {
  /** Topic first: `/channel/create` does nothing for an unknown topic. */
  createChannel(topic: string, channel: string): Promise<void>
  /** A missing one is fine. */
  deleteTopic(topic: string): Promise<void>
  stats(): Promise<readonly TopicStats[]>
}

/** `address` is host:port. */
export function createNsqdHttp(address: string): NsqdHttp {
  const base = `http://${address}`

  async function create(topic: string, channel: string): Promise<boolean> {
    await request('POST', `${base}/topic/create?${query({ topic })}`)
    const made = await request('POST', `${base}/channel/create?${query({ topic, channel })}`)
    return made !== undefined
  }

  return {
    async createChannel(topic, channel) {
      // Not found: somebody, a janitor say, deleted the topic between the two requests.
      if ((await create(topic, channel)) || (await create(topic, channel))) return
      throw new BrokerUnavailableError(`${address} deletes topic ${topic} as fast as it is made`)
    },
    async deleteTopic(topic) {
      await request('POST', `${base}/topic/delete?${query({ topic })}`)
    },
    async stats() {
      const wanted = query({ format: 'json', include_clients: 'false', include_mem: 'false' })
      const answer = statsSchema.safeParse(await request('GET', `${base}/stats?${wanted}`))
      if (!answer.success) throw new BrokerUnavailableError(`${address} answers unreadable stats`)
      return (answer.data.topics ?? []).map((topic) => ({
        topic: topic.topic_name,
        depth: topic.depth,
        channels: (topic.channels ?? []).map((channel) => ({
          channel: channel.channel_name,
          depth: channel.depth + channel.in_flight_count + channel.deferred_count,
        })),
      }))
    },
  }
}

/**
 * TCP addresses of the nsqds that have the topic, from one nsqlookupd.
 * @throws BrokerUnavailableError
 */
export async function lookUpTopic(address: string, topic: string): Promise<readonly string[]> {
  const body = await request('GET', `http://${address}/lookup?${query({ topic })}`)
  if (body === undefined) return []
  const answer = lookupSchema.safeParse(body)
  if (!answer.success) throw new BrokerUnavailableError(`${address} answers an unreadable lookup`)
  return answer.data.producers.map(
    (producer) => `${producer.broadcast_address}:${producer.tcp_port}`,
  )
}

const query = (parameters: Readonly<Record<string, string>>): string =>
  new URLSearchParams(parameters).toString()

/** The parsed body; undefined when the thing asked for does not exist. */
async function request(method: 'GET' | 'POST', url: string): Promise<unknown> {
  try {
    return await requestOnce(method, url)
  } catch (error) {
    if (isTimeout(error) || error instanceof BrokerUnavailableError) throw unavailable(url, error)
  }
  // A pooled connection may have died with the nsqd before this one; everything asked here may be
  // asked twice.
  try {
    return await requestOnce(method, url)
  } catch (error) {
    throw unavailable(url, error)
  }
}

async function requestOnce(method: 'GET' | 'POST', url: string): Promise<unknown> {
  const response = await fetch(url, { method, signal: AbortSignal.timeout(requestTimeoutMs) })
  const text = await response.text()
  if (response.status === 404) return undefined
  if (!response.ok) throw new BrokerUnavailableError(`${url} answers ${response.status}: ${text}`)
  return text === '' ? null : parseJson(text)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const isTimeout = (error: unknown): boolean =>
  error instanceof DOMException && error.name === 'TimeoutError'

function unavailable(url: string, error: unknown): BrokerUnavailableError {
  if (error instanceof BrokerUnavailableError) return error
  const why = isTimeout(error) ? `no answer within ${requestTimeoutMs} ms` : 'not reachable'
  return new BrokerUnavailableError(`${new URL(url).host} over HTTP: ${why}`, { cause: error })
}
