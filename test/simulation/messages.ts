/** An outcome, read from the bytes of a message without code of the program. */
interface ToldOutcome {
  readonly requestId: string
  /** The id of the hold; undefined for a refusal. */
  readonly reservationId: string | undefined
}

interface ResultMessage {
  readonly outcomes: readonly {
    readonly requestId: string
    readonly outcome: { readonly reservation?: { readonly id: string } }
  }[]
}

export function toldOutcomes(bodies: readonly Buffer[]): readonly ToldOutcome[] {
  return bodies.flatMap((body) => {
    const { outcomes } = JSON.parse(contentOf(body)) as ResultMessage
    return outcomes.map(({ requestId, outcome }) => ({
      requestId,
      reservationId: outcome.reservation?.id,
    }))
  })
}

interface RequestMessage {
  readonly requestId?: unknown
  readonly productId?: unknown
}

interface Place {
  readonly topic: string
  readonly channel: string
}

/**
 * Returns the id of the add-to-cart request in this message if it is for the product of its
 * channel.
 */
export function finishedRequest({ topic, channel }: Place, body: Buffer): string | undefined {
  if (!topic.startsWith('add_to_cart.')) return undefined
  const request = parse(body)
  const ofChannel = /^product-(\d+)$/.exec(channel)?.[1]
  if (ofChannel !== undefined && Number(ofChannel) !== request?.productId) return undefined
  return typeof request?.requestId === 'string' ? request.requestId : undefined
}

function parse(body: Buffer): RequestMessage | undefined {
  try {
    return (JSON.parse(contentOf(body)) as RequestMessage | null) ?? undefined
  } catch {
    return undefined
  }
}

/** Returns the JSON that follows version, key and signature. */
function contentOf(body: Buffer): string {
  return body.toString().replace(/^(?:[^.{]*\.){3}/, '')
}
