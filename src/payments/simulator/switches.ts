import { z } from 'zod'

/** The switches that make the simulator server misbehave, besides the payment methods. */
const switchPositions = z.strictObject({
  /** Every call ends without an answer. */
  down: z.boolean(),
  /** Webhooks wait; when it is switched off, all waiting events are delivered. */
  webhooksHeld: z.boolean(),
  /** Each webhook is sent this many times. */
  webhookCopies: z.int().min(1).max(10),
  webhookOrder: z.enum(['as_it_happened', 'reversed']),
  /** Webhooks are sent this long after their event. */
  webhookDelayMs: z
    .int()
    .min(0)
    .max(30 * 86_400_000),
  /** Before each genuine webhook comes one with a wrong signature that says `captured`. */
  webhooksForged: z.boolean(),
})
export type SwitchPositions = z.infer<typeof switchPositions>
export const switchesPatch = switchPositions.partial()

export interface SimulatorSwitches {
  now(): SwitchPositions
  set(changes: z.infer<typeof switchesPatch>): SwitchPositions
}

const wellBehaved: SwitchPositions = {
  down: false,
  webhooksHeld: false,
  webhookCopies: 1,
  webhookOrder: 'as_it_happened',
  webhookDelayMs: 0,
  webhooksForged: false,
}

export function createSimulatorSwitches(): SimulatorSwitches {
  let positions: SwitchPositions = wellBehaved
  return {
    now: () => positions,
    set: (changes) => (positions = switchPositions.parse({ ...positions, ...changes })),
  }
}
