// Opened from a disk, no browser starts a worker: the one that searches runs in a hidden frame of the page instead.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(address) {
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      const inside = this.frame.contentWindow
      inside.postMessage = (data) => this.onmessage?.(new MessageEvent("message", { data }))
      const script = inside.document.createElement("script")
      script.src = new URL(address, location)
      // What is sent before it listens waits for it.
      this.ready = new Promise((resolve) => script.addEventListener("load", resolve))
      script.addEventListener("error", (event) => this.onerror?.(event))
      inside.document.body.append(script)
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow?.dispatchEvent(new MessageEvent("message", { data })))
    }

    terminate() {
      this.frame.remove()
    }
  }
}
