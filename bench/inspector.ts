import { WebSocket } from 'undici'

const answersWithinMs = 20_000
const bytesPerMb = 1024 ** 2

/**
 * Reads the live heap of a Node process started with `--inspect`, MB. Garbage is collected first,
 * so that two readings can be compared.
 */
export async function keptHeapMb(inspectorUrl: string): Promise<number> {
  const socket = new WebSocket(inspectorUrl)
  try {
    await opened(socket)
    await call(socket, 1, 'HeapProfiler.collectGarbage')
    const { usedSize } = (await call(socket, 2, 'Runtime.getHeapUsage')) as {
      readonly usedSize: number
    }
    return usedSize / bytesPerMb
  } finally {
    socket.close()
  }
}

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => {
      resolve()
    })
    socket.addEventListener('error', () => {
      reject(new Error('the inspector cannot be reached'))
    })
  })
}

interface Answer {
  readonly id?: number
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

function call(socket: WebSocket, id: number, method: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`${method} had no answer within ${answersWithinMs} ms`))
    }, answersWithinMs)
    socket.addEventListener('message', (event) => {
      const answer = JSON.parse(String(event.data)) as Answer
      if (answer.id !== id) return
      clearTimeout(timer)
      if (answer.error === undefined) resolve(answer.result)
      else reject(new Error(`${method}: ${answer.error.message}`))
    })
    socket.send(JSON.stringify({ id, method }))
  })
}
