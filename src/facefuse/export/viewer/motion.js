"use strict";
// What moves by itself: blinking, small glances and a slight sway; and smooth changes from one pose to the next.

/** Expression weights of an idle head at a time; a small sum of slow waves looks alive and never repeats soon. */
class IdleMotion {
  constructor(random = Math.random) {
    this.random = random;
    this.nextBlink = 1.5;
    this.blinkStart = -1;
    this.glance = [0, 0];
    this.wanted = [0, 0];
    this.nextGlance = 1;
  }

  /**
   * @param {number} time seconds since the motion began, rising from call to call
   * @returns {{weights: Object<string, number>, yaw: number, pitch: number}} angles in radians
   */
  at(time) {
    if (time > this.nextBlink) {
      this.blinkStart = time;
      this.nextBlink = time + 2.2 + 3.5 * this.random();
    }
    if (time > this.nextGlance) {
      this.wanted = [0.5 * (this.random() - 0.5), 0.3 * (this.random() - 0.5)];
      this.nextGlance = time + 0.9 + 2.4 * this.random();
    }
    this.glance = this.glance.map((value, k) => value + 0.35 * (this.wanted[k] - value));
    const lid = blinkCurve(time - this.blinkStart);
    const [side, up] = this.glance;
    const wave = (period, phase) => Math.sin(2 * Math.PI * time / period + phase);
    return {
      weights: {
        eyeBlinkLeft: lid,
        eyeBlinkRight: lid,
        eyeLookOutLeft: Math.max(side, 0),
        eyeLookInRight: Math.max(side, 0),
        eyeLookInLeft: Math.max(-side, 0),
        eyeLookOutRight: Math.max(-side, 0),
        eyeLookUpLeft: Math.max(up, 0),
        eyeLookUpRight: Math.max(up, 0),
        eyeLookDownLeft: Math.max(-up, 0),
        eyeLookDownRight: Math.max(-up, 0),
        browInnerUp: 0.05 * (1 + wave(7.3, 0)),
        mouthSmileLeft: 0.04 * (1 + wave(9.1, 1)),
        mouthSmileRight: 0.04 * (1 + wave(9.1, 1.2)),
      },
      yaw: 0.05 * wave(11, 0) + 0.02 * wave(4.7, 0),
      pitch: 0.02 * wave(8.3, 0),
    };
  }
}

/** How closed the lids are some seconds after a blink began: 0.09 s down, 0.05 s shut, 0.16 s up. */
function blinkCurve(seconds) {
  const ease = (t) => t * t * (3 - 2 * t);
  if (seconds < 0 || seconds > 0.3) return 0;
  if (seconds < 0.09) return ease(seconds / 0.09);
  return seconds < 0.14 ? 1 : 1 - ease((seconds - 0.14) / 0.16);
}

/** Weights shown: what the sliders say, and idle motion where it asks for more; eyes that are shut stay shut. */
function addIdle(names, weights, idle) {
  return names.map((name, k) => {
    const extra = idle[name] || 0;
    return Math.min(1, name.startsWith("eyeBlink") ? Math.max(weights[k], extra) : weights[k] + extra);
  });
}

if (typeof module !== "undefined") module.exports = {IdleMotion, blinkCurve, addIdle};
