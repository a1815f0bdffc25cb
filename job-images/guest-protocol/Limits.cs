namespace RunnerVm.GuestProtocol;

/// <summary>Every bound of the protocol, in one place. PROTOCOL.md, "Limits", says what happens beyond each.</summary>
public static class Limits
{
    /// <summary>Bytes of a frame's header.</summary>
    public const int HeaderSize = 12;

    /// <summary>Largest payload of a frame that comes from the guest, and of every data frame in either direction.</summary>
    public const int MaxPayload = 64 * 1024;

    /// <summary>
    /// Largest request the host may put in an open frame. The guest trusts the host with this much: a script or an
    /// environment of a few megabytes travels in one piece.
    /// </summary>
    public const int MaxHostRequest = 16 * 1024 * 1024;

    /// <summary>Largest request the guest may put in an open frame.</summary>
    public const int MaxGuestRequest = 4 * 1024;

    /// <summary>Largest errand: it has arguments without number, so it travels as data and not in the open frame.</summary>
    public const int MaxErrand = 256 * 1024;

    /// <summary>Errands a guest may have under way; one more is reset.</summary>
    public const int MaxErrands = 4;

    /// <summary>Largest reason in a reset frame, in bytes of UTF-8.</summary>
    public const int MaxReason = 1024;

    /// <summary>
    /// What a data frame costs beyond its payload, in bytes of credit: the price of keeping it in a queue. It makes a
    /// flood of one-byte frames as expensive for the sender as it is for the receiver.
    /// </summary>
    public const int FrameOverhead = 32;

    /// <summary>Credit a receiver gives for a channel when it opens or accepts it, unless it chooses otherwise.</summary>
    public const int DefaultWindow = 256 * 1024;

    /// <summary>Credit for a channel the guest opens: there may be thousands of them.</summary>
    public const int GuestOpenedWindow = 64 * 1024;

    /// <summary>Most credit that may be outstanding on one channel; more is a violation.</summary>
    public const int MaxWindow = 16 * 1024 * 1024;

    /// <summary>Channels a peer may have open at once; one more is reset, not a violation.</summary>
    public const int MaxPeerChannels = 2048;

    /// <summary>
    /// Bytes of small answers (credit, resets) that may wait for a peer that does not read. Beyond it the connection ends.
    /// </summary>
    public const int MaxUnreadAnswers = 4 * 1024 * 1024;
}
