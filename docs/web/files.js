// Files beside the page.

// Loads a file. The browser asks the server whether its copy is still the same.
export async function load(url) {
  const answer = await fetch(url, { cache: "no-cache" });
  if (!answer.ok) throw new Error(`${url} can not be loaded: ${answer.status} ${answer.statusText}`);
  return answer;
}
