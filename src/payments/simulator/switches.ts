import { z } from 'zod'

/** How the simulator server misbehaves beside what a payment method asks for. */
const switchPositions = z.strictObject({
  /** Every call ends without an answer. */
  down: z.boolean(),
  /** Webhooks wait; turned off again, all that happened meanwhile is told of. */
  webhooksHeld: z.boolean(),
  /** How often each webhook is sent. */
  webhookCopies: z.int().min(1).max(10),
  webhookOrder: z.enum(['as_it_happened', 'reversed']),
  /** Sent this long after what they tell of. */
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
