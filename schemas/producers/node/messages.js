// From an envelope of the SDK to messages for Kafka: which item goes to which topic, under which key.
//
// item           topic    key
// event          errors   event_id
// transaction    spans    contexts.trace.trace_id
// span (batch)   spans    trace_id of each span, one message each
//
// There is no topic yet for anything else (sessions, logs, check-ins, attachments, profiles): those items are handed
// back, so that the transport can count them as lost.

/**
 * A message for Kafka. `losses` is what is lost if it does not arrive: pairs of data category and quantity.
 * @typedef {{topic: string, key: string | undefined, value: string, losses: [string, number][]}} Message
 */

const BUILDERS = {
  event: (payload) => [message("errors", payload.event_id, payload, [["error", 1]])],
  transaction: (payload) => {
    // The loss of a transaction counts as one transaction and, by the SDK's rule, as 1 + n spans.
    const spans = 1 + (payload.spans?.length ?? 0);
    return [message("spans", payload.contexts?.trace?.trace_id, payload, [["transaction", 1], ["span", spans]])];
  },
  span: (payload) => (payload.items ?? []).map((span) => message("spans", span.trace_id, span, [["span", 1]])),
};

/**
 * Returns the messages of an envelope, in its order, and the items that no topic takes.
 * Throws what JSON.stringify throws where a payload cannot be written as JSON.
 * @returns {{messages: Message[], others: [object, unknown][]}}
 */
export function messagesOf(envelope) {
  const messages = [];
  const others = [];
  for (const item of envelope[1]) {
    const build = BUILDERS[item[0].type];
    if (build) messages.push(...build(item[1]));
    else others.push(item);
  }
  return { messages, others };
}

function message(topic, key, payload, losses) {
  return { topic, key, value: JSON.stringify(payload), losses };
}
