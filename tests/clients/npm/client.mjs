// OpenAI's npm package, as it is: generates, streams, edits and errs; tells what it got as one JSON text.
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none" });
const quick = { num_inference_steps: 4, seed: 7 };

const models = [];
for await (const model of client.models.list()) models.push(model.id);

const generated = await client.images.generate({ model: "mini", prompt: "a cat", size: "128x128", ...quick });

const streamed = [];
const stream = await client.images.generate({ prompt: "a cat", stream: true, partial_images: 2 });
for await (const event of stream) streamed.push({ type: event.type, b64_json: event.b64_json });

const picture = await toFile(Buffer.from(generated.data[0].b64_json, "base64"), "cat.png", { type: "image/png" });
const edited = await client.images.edit({ prompt: "a dog", image: picture, ...quick });
const editedOfTwo = await client.images.edit({ prompt: "a dog", image: [picture, picture], ...quick });

let error;
try {
  await client.images.generate({ prompt: "a cat", size: "7x7" });
} catch (caught) {
  error = { isBadRequest: caught instanceof OpenAI.BadRequestError, param: caught.param, code: caught.code };
}

console.log(JSON.stringify({ models, generated, streamed, edited, editedOfTwo, error }));
