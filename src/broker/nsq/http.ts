import { z } from 'zod'
import { BrokerUnavailableError } from '../broker.ts'

/**
 * The deadline of every HTTP request to nsqd and nsqlookupd; each failure is a
 * `BrokerUnavailableError`.
 */

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
  /** The number of messages not yet copied to the channels. */
  readonly depth: number
  readonly channels: readonly ChannelStats[]
}

export interface ChannelStats {
  readonly channel: string
  /** The number of messages queued, delivered or waiting for another delivery. */
  readonly depth: number
}

/** The HTTP API of one nsqd. Every method may throw BrokerUnavailableError. */
export interface NsqdHttp {
  /**
   * Creates the topic and then the channel: `/channel/create` does nothing for an unknown topic.
   */
  createChannel(topic: string, channel: string): Promise<void>
  /** Deletes a topic; a missing one is fine. */
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
      // The topic may be deleted between the two requests, for example by the janitor.
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
 * Asks one nsqlookupd for the TCP addresses of the nsqds that have the topic.
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

/** Sends a request. Returns the parsed body; undefined when the topic or channel does not exist. */
async function request(method: 'GET' | 'POST', url: string): Promise<unknown> {
  try {
    return await requestOnce(method, url)
  } catch (error) {
    if (isTimeout(error) || error instanceof BrokerUnavailableError) throw unavailable(url, error)
  }
  // A pooled connection may have died with the previous nsqd, so a request is tried twice. All
  // requests here may be repeated.
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
