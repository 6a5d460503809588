/** Sums over the add-to-cart channels of an nsqd. */
export interface AddToCartChannels {
  /** Messages delivered to a consumer and not answered yet. */
  readonly inFlight: number
  /** Messages that wait for a consumer. */
  readonly depth: number
  /** Connected consumers that have sent RDY. */
  readonly consumers: number
}

interface Stats {
  readonly topics: readonly {
    readonly topic_name: string
    readonly depth: number
    readonly channels: readonly {
      readonly depth: number
      readonly in_flight_count: number
      readonly clients: readonly { readonly ready_count: number }[]
    }[]
  }[]
}

export async function readChannels(nsqd: {
  readonly httpAddress: string
}): Promise<AddToCartChannels> {
  const response = await fetch(`http://${nsqd.httpAddress}/stats?format=json`)
  const { topics } = (await response.json()) as Stats
  const own = topics.filter((topic) => topic.topic_name.startsWith('add_to_cart.'))
  const channels = own.flatMap((topic) => topic.channels)
  const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0)
  return {
    inFlight: sum(channels.map((channel) => channel.in_flight_count)),
    depth: sum([...own, ...channels].map(({ depth }) => depth)),
    consumers: channels
      .flatMap(({ clients }) => clients)
      .filter(({ ready_count }) => ready_count > 0).length,
  }
}

/**
 * Reads a number of `/metrics`, summed over all labels unless the name has them; 0 when it is
 * missing.
 */
export function metric(text: string, name: string): number {
  const lines = text
    .split('\n')
    .filter((line) => [' ', '{'].some((end) => line.startsWith(name + end)))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
