using RunnerVm.Vmm.Monitor.Mmds;

namespace RunnerVm.Vmm.Monitor.Control;

/// <summary>The three actions on the metadata, the same before and after the start.</summary>
internal static class MetadataActions
{
    /// <returns>Null where the action is not about metadata.</returns>
    public static VmmAnswer? TryRun(VmmAction action, MmdsDataStore store)
    {
        switch (action)
        {
            case VmmAction.GetMetadata:
                return new VmmAnswer.MetadataIs(store.Contents);
            case VmmAction.PutMetadata put:
                store.Put(put.Value);
                return VmmAnswer.Done.All;
            case VmmAction.PatchMetadata patch:
                store.Patch(patch.Value);
                return VmmAnswer.Done.All;
            default:
                return null;
        }
    }
}
