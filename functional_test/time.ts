/** Epoch ms that never steps back: the history's time. */
export const now = (): number => performance.timeOrigin + performance.now()

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.max(0, ms))
  })
}
