import type { HttpEntry, HttpAnswer, HttpCall } from './http-entry.ts'
import type { Life } from './life.ts'
import type { World } from './world.ts'

const answerTimeoutMs = 8_000
const refusedAfterMs = 100

export const noAnswer: HttpAnswer = { status: 0, headers: {}, body: undefined }

/** The processes that serve requests now. */
export interface Serving {
  readonly life: Life
  readonly httpEntry: HttpEntry
}

/**
 * Sends one request over a network that loses answers. A process that dies meanwhile answers
 * nothing.
 */
export function send(
  world: World,
  serving: readonly Serving[],
  request: HttpCall,
): Promise<HttpAnswer> {
  const { outside, random } = world
  const chosen = serving[Math.floor(random() * serving.length)]
  return new Promise((resolve) => {
    if (chosen === undefined) {
      outside.clock.after(refusedAfterMs, () => {
        resolve(noAnswer)
      })
      return
    }
    const { life, httpEntry } = chosen
    const cancel = outside.clock.after(answerTimeoutMs, () => {
      give(noAnswer)
    })
    const forget = life.onDeath(() => {
      give(noAnswer)
    })
    const give = (answer: HttpAnswer): void => {
      cancel()
      forget()
      const arrives = answer.status === 0 || !world.hits('replyLost')
      outside.defer(() => {
        resolve(arrives ? answer : noAnswer)
      })
    }
    life.lane.defer(() => {
      httpEntry(request).then(give, (error: unknown) => {
        world.violate({ invariant: 'I23', what: String(error) })
      })
    })
  })
}
