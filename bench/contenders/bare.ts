import type { IncomingMessage, ServerResponse } from 'node:http'
import { cannedAnswer, cannedKind } from './canned-answers.ts'
import { listen } from './listen.ts'

/** Contender `bare`: node:http parses the JSON and answers. Nothing in Node can be faster than this. */
const kind = cannedKind()

function serve(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
  })
  request.on('end', () => {
    const wish: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    const { status, contentType, body } = cannedAnswer(kind, wish)
    const text = JSON.stringify(body)
    const length = Buffer.byteLength(text)
    response.writeHead(status, { 'content-type': contentType, 'content-length': length })
    response.end(text)
  })
}

listen('bare', serve)
