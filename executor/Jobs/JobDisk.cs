namespace RunnerVm.Jobs;

/// <summary>
/// A read-only disk beside the image, shared by all machines that have it. Its files are below <c>/opt/NAME</c>, where the job
/// may also write: what it writes is on its own scratch disk.
/// </summary>
/// <param name="Name">Lower-case letters, digits and dashes, at most 16.</param>
/// <param name="Path">An erofs file on the host.</param>
internal sealed record JobDisk(string Name, string Path)
{
    /// <summary>Where it is in a guest.</summary>
    public string Folder => $"/opt/{Name}";
}
